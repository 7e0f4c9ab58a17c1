// This domain's interface to Xen: /dev/xen/{gntalloc,gntdev,evtchn} through Xen's own libraries.
#pragma once

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::xen {

// Throws std::system_error: ENOENT for a missing library or device (with what to install or load),
// EACCES for devices that this user may not open.
Hypervisor connect_xen();

}  // namespace xsock::hypervisor::xen

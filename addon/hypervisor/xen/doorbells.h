// Doorbells on Xen: one /dev/xen/evtchn handle that carries all ports of this daemon.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::xen {

// Throws std::system_error.
std::unique_ptr<Doorbells> open_doorbells();

}  // namespace xsock::hypervisor::xen

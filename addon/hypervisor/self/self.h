// A hypervisor for one domain's link with itself, inside one process: Xen cannot map a domain's own
// grants, so local services are bridged over private memory through the same interface. One object
// pair serves both ends. Everything on one thread (the pump's).
#pragma once

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor {

// Throws std::system_error if there can be no eventfd.
Hypervisor make_self_hypervisor();

}  // namespace xsock::hypervisor

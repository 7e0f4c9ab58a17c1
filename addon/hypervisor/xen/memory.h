// GrantedMemory on Xen: gntalloc to share, gntdev to map.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::xen {

// Throws std::system_error.
std::unique_ptr<GrantedMemory> open_memory();

}  // namespace xsock::hypervisor::xen

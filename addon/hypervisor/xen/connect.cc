#include "hypervisor/xen/connect.h"

#include "hypervisor/xen/doorbells.h"
#include "hypervisor/xen/memory.h"

namespace xsock::hypervisor::xen {

Hypervisor connect_xen() {
    return {.memory = open_memory(), .doorbells = open_doorbells()};
}

}  // namespace xsock::hypervisor::xen

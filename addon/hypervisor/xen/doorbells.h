// Doorbells on Xen: one /dev/xen/evtchn handle for all ports of one thread (a pump, or the relays).
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::xen {

// Throws std::system_error.
std::unique_ptr<Doorbells> open_doorbells();

}  // namespace xsock::hypervisor::xen

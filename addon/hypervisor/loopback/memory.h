// GrantedMemory of a domain of the loopback hypervisor: pages are memfds that the machine provides.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"
#include "hypervisor/loopback/hypercall.h"

namespace xsock::hypervisor::loopback {

std::unique_ptr<GrantedMemory> make_memory(std::shared_ptr<Hypercall> hypercall);

}  // namespace xsock::hypervisor::loopback

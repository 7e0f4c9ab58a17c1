// GrantedMemory of a domain of the loopback hypervisor: pages are memfds that the machine hands
// out.
#pragma once

#include <memory>
#include <string>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::loopback {

// Throws std::system_error if the machine does not answer at `socket_path`.
std::unique_ptr<GrantedMemory> connect_memory(const std::string& socket_path);

}  // namespace xsock::hypervisor::loopback

// Doorbells of a domain of the loopback hypervisor: each port is a pair of eventfds. Ringing is one
// write, hearing one epoll_wait: the machine takes no part in it.
#pragma once

#include <memory>
#include <string>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::loopback {

// Throws std::system_error if the machine does not answer at `socket_path`.
std::unique_ptr<Doorbells> connect_doorbells(const std::string& socket_path);

}  // namespace xsock::hypervisor::loopback

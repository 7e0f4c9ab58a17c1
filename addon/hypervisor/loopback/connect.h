// A domain's connection to the loopback hypervisor.
#pragma once

#include <string>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::loopback {

// `domain_dir` is the directory that the machine keeps for the domain; it contains the socket
// `hypercall`. Memory and doorbells have a connection each, since they are used on different
// threads. Throws std::system_error if there is no answer.
Hypervisor connect_loopback(const std::string& domain_dir);

}  // namespace xsock::hypervisor::loopback

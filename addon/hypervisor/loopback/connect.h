// A domain's door to the loopback hypervisor.
#pragma once

#include <string>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor::loopback {

// `domain_dir` is the directory that the machine keeps for the domain; its socket `hypercall` is
// the door. Memory and doorbells have a connection each, for they are used on different threads.
// Throws std::system_error if nobody answers.
Hypervisor connect_loopback(const std::string& domain_dir);

}  // namespace xsock::hypervisor::loopback

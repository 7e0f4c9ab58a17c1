// Doorbells of a domain of the loopback hypervisor: each port is one end of a pair of sockets. To
// notify is to send a byte, to hear one epoll_wait: the machine takes no part in it. Sockets and
// not eventfds, since the peer has the same open file as we: it may make it blocking, and fill it,
// and a write to an eventfd would then block. A socket is told with each call that it must not.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"
#include "hypervisor/loopback/hypercall.h"

namespace xsock::hypervisor::loopback {

// `watched`: another conversation with the machine, whose loss is heard of here too.
std::unique_ptr<Doorbells> make_doorbells(std::shared_ptr<Hypercall> hypercall,
                                          std::shared_ptr<Hypercall> watched);

}  // namespace xsock::hypervisor::loopback

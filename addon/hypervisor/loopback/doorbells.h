// Doorbells of a domain of the loopback hypervisor: each port is one end of a pair of sockets. A
// notification is one byte sent, and received by epoll_wait(); the machine is not involved. Sockets
// rather than eventfds, since the peer shares the open file with us: it could make it blocking and
// fill it, and a write to an eventfd would then block. With sockets, each call says MSG_DONTWAIT.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"
#include "hypervisor/loopback/hypercall.h"

namespace xsock::hypervisor::loopback {

// `watched`: another hypercall connection, whose loss is reported here too.
std::unique_ptr<Doorbells> make_doorbells(std::shared_ptr<Hypercall> hypercall,
                                          std::shared_ptr<Hypercall> watched);

}  // namespace xsock::hypervisor::loopback

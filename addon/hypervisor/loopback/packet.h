// One SOCK_SEQPACKET datagram with the file descriptors that travel along. Used by both ends of the
// hypercall socket.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

struct Packet {
    // 0 with `error` 0: the other end has closed.
    std::size_t length = 0;
    int error = 0;  // errno, 0 for success
    std::vector<sys::UniqueFd> fds;
};

// At most `max_fds` descriptors are taken; a datagram with more of them, or longer than `buffer`,
// is EPROTO. They are close-on-exec.
Packet receive_packet(int socket, std::span<std::byte> buffer, std::size_t max_fds, int flags);
// 0 or errno; never SIGPIPE.
int send_packet(int socket, std::span<const std::byte> data, std::span<const int> fds, int flags);

}  // namespace xsock::hypervisor::loopback

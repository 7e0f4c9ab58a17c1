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

// At most `max_fds` descriptors are taken, close-on-exec. A datagram that is longer than `buffer`
// is EPROTO; one whose descriptors are more, or find no room in this process, is EMFILE: its bytes
// are there.
Packet receive_packet(int socket, std::span<std::byte> buffer, std::size_t max_fds, int flags);
// 0 or errno; never SIGPIPE.
int send_packet(int socket, std::span<const std::byte> data, std::span<const int> fds, int flags);

}  // namespace xsock::hypervisor::loopback

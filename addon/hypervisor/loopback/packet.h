// One SOCK_SEQPACKET datagram with the file descriptors passed with it. Used by both ends of the
// hypercall socket, on any thread.
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

// At most `max_fds` descriptors are received, close-on-exec. EPROTO: the datagram is longer than
// `buffer`. EMFILE: it has more descriptors, or this process cannot open them; its bytes are valid.
Packet receive_packet(int socket, std::span<std::byte> buffer, std::size_t max_fds, int flags);
// 0 or errno; never SIGPIPE.
int send_packet(int socket, std::span<const std::byte> data, std::span<const int> fds, int flags);

}  // namespace xsock::hypervisor::loopback

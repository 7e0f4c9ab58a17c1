#include "hypervisor/loopback/packet.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "hypervisor/loopback/protocol.h"

namespace xsock::hypervisor::loopback {

Packet receive_packet(int socket, std::span<std::byte> buffer, std::size_t max_fds, int flags) {
    alignas(cmsghdr) std::byte control[CMSG_SPACE(kMaxRuns * sizeof(int))];
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = max_fds == 0 ? nullptr : control;
    message.msg_controllen = max_fds == 0 ? 0 : CMSG_SPACE(max_fds * sizeof(int));

    Packet packet;
    ssize_t got;
    do {
        got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        packet.error = errno;
        return packet;
    }
    packet.length = static_cast<std::size_t>(got);
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            packet.fds.emplace_back(fd);
        }
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        packet.error = EPROTO;
    } else if ((message.msg_flags & MSG_CTRUNC) != 0) {
        packet.error = EMFILE;
        packet.fds.clear();  // an incomplete set is of no use to anybody
    }
    return packet;
}

int send_packet(int socket, std::span<const std::byte> data, std::span<const int> fds, int flags) {
    alignas(cmsghdr) std::byte control[CMSG_SPACE(kMaxRuns * sizeof(int))];
    iovec part{const_cast<std::byte*>(data.data()), data.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    ssize_t sent;
    do {
        sent = ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

}  // namespace xsock::hypervisor::loopback

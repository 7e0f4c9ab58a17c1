// A notification between the two ends of an event channel: a byte in a socket. Neither end can
// block the other: no call blocks, whatever flags the peer sets on the open file that it shares
// with us, and however much it sends. If the socket is full nothing is sent: earlier ones are
// pending. Any thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

inline void send_notification(const sys::UniqueFd& socket) noexcept {
    [[maybe_unused]] const ssize_t sent = ::send(socket.get(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// More than a socket's buffer holds of such small pieces (wmem_default), so that it is empty after.
inline void take_notifications(const sys::UniqueFd& socket) noexcept {
    std::array<std::byte, 512> taken;
    [[maybe_unused]] const ssize_t got =
        ::recv(socket.get(), taken.data(), taken.size(), MSG_DONTWAIT);
}

}  // namespace xsock::hypervisor::loopback

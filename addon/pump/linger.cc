#include "pump/linger.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "sys/socket.h"

namespace xsock::pump {

void LingerSet::add(sys::UniqueFd fd, sys::TimePoint until) {
    ::shutdown(fd.get(), SHUT_WR);
    Socket& socket = sockets_.emplace_back();
    socket.fd = std::move(fd);
    socket.until = until;
    // The socket is still registered for the stream that had it.
    epoll_.remove(socket.fd.get());
    try {
        epoll_.add(socket.fd.get(), EPOLLIN | EPOLLRDHUP, sys::tag_of(socket));
    } catch (const std::system_error&) {
        socket.over = true;  // out of memory for the watch: close it the hard way
    }
}

void LingerSet::Socket::on_ready(std::uint32_t) {
    std::array<std::byte, 16384> scratch;
    iovec part{scratch.data(), scratch.size()};
    const sys::TransferResult got = sys::receive(fd.get(), std::span(&part, 1));
    over = got.outcome != sys::Transfer::kBytes && got.outcome != sys::Transfer::kWouldBlock;
}

sys::TimePoint LingerSet::deadline() const noexcept {
    sys::TimePoint next = sys::kNever;
    for (const Socket& socket : sockets_) {
        next = std::min(next, socket.until);
    }
    return next;
}

void LingerSet::sweep(sys::TimePoint now) noexcept {
    std::erase_if(sockets_,
                  [now](const Socket& socket) { return socket.over || now >= socket.until; });
}

}  // namespace xsock::pump

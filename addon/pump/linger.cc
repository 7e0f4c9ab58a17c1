#include "pump/linger.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "sys/socket.h"

namespace xsock::pump {

namespace {

// Bytes that the other end has not taken yet.
int unsent_bytes(int fd) noexcept {
    int count = 0;
    return ::ioctl(fd, SIOCOUTQ, &count) == 0 ? count : 0;
}

}  // namespace

LingerSet::Socket::Socket(LingerSet& set, sys::UniqueFd socket, std::uint32_t peer,
                          sys::TimePoint until)
    : owner(set),
      fd(std::move(socket)),
      of_peer(peer),
      due(until),
      unsent(unsent_bytes(fd.get())) {}

void LingerSet::add(sys::UniqueFd fd, std::uint32_t peer, sys::TimePoint now) {
    if (until_ == Until::kDeliver) {
        ::shutdown(fd.get(), SHUT_WR);
    }
    Sockets& of_peer = sockets_[peer];
    if (of_peer.size() >= kMaxPerPeer) {
        end(of_peer.front());
    }
    Socket& socket = of_peer.emplace_back(*this, std::move(fd), peer, now + time());
    socket.place = std::prev(of_peer.end());
    // The socket is still registered for the stream that had it.
    epoll_.remove(socket.fd.get());
    try {
        epoll_.add(socket.fd.get(), EPOLLIN | EPOLLRDHUP, sys::tag_of(socket));
    } catch (const std::system_error&) {
        end(socket);  // no memory for the watch: close it now
    }
}

void LingerSet::Socket::on_ready(std::uint32_t) {
    if (!fd.valid()) {
        return;
    }
    if (owner.until_ == Until::kFirstBytes) {
        owner.end(*this);
        return;
    }
    std::array<std::byte, 16384> scratch;
    iovec part{scratch.data(), scratch.size()};
    const sys::TransferResult got = sys::receive(fd.get(), std::span(&part, 1));
    if (got.outcome != sys::Transfer::kBytes && got.outcome != sys::Transfer::kWouldBlock) {
        owner.end(*this);
    }
}

// The object stays until the end of the turn: epoll events that were already fetched may still
// point to it.
void LingerSet::end(Socket& socket) {
    epoll_.remove(socket.fd.get());  // before it is closed: see Host::unwatch
    socket.fd.reset();
    ended_.splice(ended_.end(), sockets_[socket.of_peer], socket.place);
}

sys::TimePoint LingerSet::first_due() const noexcept {
    sys::TimePoint next = sys::kNever;
    for (const auto& [peer, sockets] : sockets_) {
        if (!sockets.empty()) {
            next = std::min(next, sockets.front().due);
        }
    }
    return next;
}

void LingerSet::close_due(sys::TimePoint now) noexcept {
    ended_.clear();
    for (auto it = sockets_.begin(); it != sockets_.end();) {
        Sockets& sockets = it->second;
        while (!sockets.empty() && now >= sockets.front().due) {
            Socket& socket = sockets.front();
            const int unsent = unsent_bytes(socket.fd.get());
            if (until_ == Until::kFirstBytes || unsent >= socket.unsent) {
                epoll_.remove(socket.fd.get());
                sockets.pop_front();
                continue;
            }
            socket.unsent = unsent;
            socket.due = now + time();
            sockets.splice(sockets.end(), sockets, sockets.begin());
        }
        it = sockets.empty() ? sockets_.erase(it) : std::next(it);
    }
}

}  // namespace xsock::pump

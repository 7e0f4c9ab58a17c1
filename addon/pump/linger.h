// Sockets of streams that have ended but which must not be closed yet. Pump thread only.
//
// kDeliver (TCP): input is read and discarded until the other end closes too or a timeout; closing
// at once would send an RST that may overtake bytes in flight.
// kFirstBytes (UNIX, refused): closed once the program has sent something, so that the program sees
// ECONNRESET; one that is about to send would otherwise die of SIGPIPE, or take an end-of-file for
// an empty answer.
//
// A peer can cause as many of them as it opens streams. It is allowed kMaxPerPeer: beyond that, its
// oldest one, which had the longest time to deliver its bytes, is closed at once.
#pragma once

#include <cstdint>
#include <list>
#include <map>

#include "sys/clock.h"
#include "sys/epoll.h"
#include "sys/pollable.h"
#include "sys/unique_fd.h"

namespace xsock::pump {

class LingerSet {
  public:
    enum class Until : std::uint8_t { kDeliver, kFirstBytes };

    static constexpr std::size_t kMaxPerPeer = 256;
    // Renewed as long as the other end takes bytes within it.
    static constexpr sys::Duration kDeliverTime = sys::milliseconds(5000);
    // A program that waits for the service to speak first sees its end-of-file this much later.
    static constexpr sys::Duration kFirstBytesTime = sys::milliseconds(200);

    explicit LingerSet(sys::Epoll& epoll, Until until = Until::kDeliver) noexcept
        : epoll_(epoll), until_(until) {}

    // `peer`: the domain whose stream it was.
    void add(sys::UniqueFd fd, std::uint32_t peer, sys::TimePoint now);
    [[nodiscard]] sys::TimePoint deadline() const noexcept {
        return sockets_.empty() ? sys::kNever : first_due();
    }
    // Closes sockets that have ended or timed out. Called in each turn; there are rarely any.
    void sweep(sys::TimePoint now) noexcept {
        if (!sockets_.empty() || !ended_.empty()) {
            close_due(now);
        }
    }

  private:
    struct Socket;
    using Sockets = std::list<Socket>;
    struct Socket final : sys::Pollable {
        Socket(LingerSet& set, sys::UniqueFd socket, std::uint32_t peer, sys::TimePoint until);
        void on_ready(std::uint32_t events) override;
        LingerSet& owner;
        sys::UniqueFd fd;  // invalid once it has ended
        std::uint32_t of_peer;
        sys::TimePoint due;
        int unsent;  // bytes that the other end had not taken at the last check
        Sockets::iterator place;
    };

    void end(Socket& socket);
    [[nodiscard]] sys::TimePoint first_due() const noexcept;
    void close_due(sys::TimePoint now) noexcept;
    [[nodiscard]] sys::Duration time() const noexcept {
        return until_ == Until::kDeliver ? kDeliverTime : kFirstBytesTime;
    }

    sys::Epoll& epoll_;
    const Until until_;
    std::map<std::uint32_t, Sockets> sockets_;  // by peer; in the order in which they are due
    Sockets ended_;
};

}  // namespace xsock::pump

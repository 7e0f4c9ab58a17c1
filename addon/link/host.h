// What a link needs from the pump that runs it. Pump thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "link/budget.h"
#include "link/events.h"
#include "link/stream.h"
#include "sys/clock.h"
#include "sys/pollable.h"
#include "sys/unique_fd.h"

namespace xsock::link {

class Link;

struct Limits {
    std::uint32_t streams_per_peer = 16384;
    std::uint32_t memory_per_stream = 512 * 1024;  // bytes: largest receive window
};

struct Timings {
    sys::Duration heartbeat_interval = sys::milliseconds(1000);
    sys::Duration heartbeat_timeout = sys::milliseconds(4000);
    // How long the pump looks for something to do before it sleeps, at most (pump/poller.h).
    sys::Duration longest_poll = std::chrono::microseconds(200);
};

class Host {
  public:
    virtual ~Host() = default;
    [[nodiscard]] virtual sys::TimePoint now() const noexcept = 0;
    [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
    [[nodiscard]] virtual const Timings& timings() const noexcept = 0;
    [[nodiscard]] virtual Budget& budget() noexcept = 0;
    // Registers a socket, edge-triggered: of what arrives it is told, of room to write only if
    // `output`. Throws std::system_error.
    virtual void watch(sys::Pollable& pollable, int fd, bool output) = 0;
    // Of room to write too, at once if there is some already. Not before there was none: otherwise
    // every read of the program at the other end would wake the pump.
    virtual void watch_output(sys::Pollable& pollable, int fd) = 0;
    // Keeps a stream until the turn of the loop is over: events that were already fetched may still
    // name it.
    virtual void defer_delete(std::unique_ptr<Stream> stream) = 0;
    // Takes over a stream whose link is down but whose last bytes the local program has not taken
    // yet, and what it has reserved of the budget. `peer` is the domain that it was with.
    virtual void adopt_orphan(std::unique_ptr<Stream> stream, std::uint32_t peer) = 0;
    // Closes a TCP socket gently: reads and drops what still comes, so that no RST overtakes sent
    // bytes. A peer has a bounded number of those (pump/linger.h).
    virtual void linger(sys::UniqueFd fd, std::uint32_t peer) = 0;
    // Closes the UNIX socket of a program whose stream was refused before it had sent anything:
    // when it does, or after a while. Bounded likewise.
    virtual void await_first_bytes(sys::UniqueFd fd, std::uint32_t peer) = 0;
    // Calls link.service() in this turn or the next.
    virtual void schedule(Link& link) noexcept = 0;
    // Does anybody want to know of streams that open, and that close in order?
    [[nodiscard]] virtual bool reports_streams() const noexcept = 0;
    virtual void report(Event event) = 0;
};

}  // namespace xsock::link

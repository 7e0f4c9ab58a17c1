// What a link needs from the pump that runs it. Pump thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "link/budget.h"
#include "link/events.h"
#include "link/stream.h"
#include "schema/schema.h"
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
    // Upper bound of the time for which the pump polls before it sleeps (pump/poller.h).
    sys::Duration longest_poll = std::chrono::microseconds(200);
};
constexpr auto describe(schema::Of<Timings>) {
    return schema::object(
        schema::field("heartbeatInterval", &Timings::heartbeat_interval),
        schema::field("heartbeatTimeout", &Timings::heartbeat_timeout),
        schema::field("pollTime", &Timings::longest_poll).as(schema::Form::kMicroseconds));
}

class Host {
  public:
    virtual ~Host() = default;
    [[nodiscard]] virtual sys::TimePoint now() const noexcept = 0;
    [[nodiscard]] virtual const Limits& limits() const noexcept = 0;
    [[nodiscard]] virtual const Timings& timings() const noexcept = 0;
    [[nodiscard]] virtual Budget& budget() noexcept = 0;
    // Registers a socket, edge-triggered, for input, and for output only if `output`. Throws
    // std::system_error.
    virtual void watch(sys::Pollable& pollable, int fd, bool output) = 0;
    // Watches for writability too; reports it at once if the socket is writable already. Called
    // only after a send has found the socket's buffer full: otherwise every read of the local
    // program would wake the pump.
    virtual void watch_output(sys::Pollable& pollable, int fd) = 0;
    // No event names the pollable of this socket any more. To be called before the socket is
    // closed: a process that is being forked (getent) has a copy of it until it calls exec, and as
    // long as there is one, close() alone does not end the registration (epoll(7), questions, 6).
    virtual void unwatch(int fd) noexcept = 0;
    // Deletes a stream at the end of the loop's turn: epoll events that were already fetched may
    // still point to it.
    virtual void defer_delete(std::unique_ptr<Stream> stream) = 0;
    // Takes over a stream whose link is down but whose last bytes the local program has not read
    // yet, together with its reservation in the budget. `peer` is the domain at its other end.
    virtual void adopt_orphan(std::unique_ptr<Stream> stream, std::uint32_t peer) = 0;
    // Closes a TCP socket only after the local program has: input is read and discarded until
    // then, so that no RST overtakes bytes that were sent. Bounded per peer (pump/linger.h).
    virtual void linger(sys::UniqueFd fd, std::uint32_t peer) = 0;
    // Closes the UNIX socket of a program whose stream was refused before the program had sent
    // anything: once it sends, or after a timeout. Bounded likewise.
    virtual void await_first_bytes(sys::UniqueFd fd, std::uint32_t peer) = 0;
    // Calls link.service() in this turn or the next.
    virtual void schedule(Link& link) noexcept = 0;
    // Whether streams that open, and that close normally, are reported.
    [[nodiscard]] virtual bool reports_streams() const noexcept = 0;
    virtual void report(Event event) = 0;
};

}  // namespace xsock::link

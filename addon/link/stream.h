// One stream: a local socket at our end, an id on the link. What the protocol says about it is in
// stream/ (state, credit, what to send next); this is the socket, the bytes that wait for it, and
// what readiness has told. Link sends and parses the frames. Pump thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "link/byte_queue.h"
#include "link/events.h"
#include "link/intrusive_list.h"
#include "link/label.h"
#include "stream/credit.h"
#include "stream/outbox.h"
#include "stream/state.h"
#include "sys/clock.h"
#include "sys/pollable.h"
#include "sys/socket.h"

namespace xsock::link {

class Stream;

// An incoming stream whose target has not accepted the connection yet.
struct Connecting {
    Connecting(Stream& of, const sys::Address& to) : stream(of), target(to) {}
    Stream& stream;
    sys::Address target;
    sys::TimePoint give_up_at = sys::kNever;
    sys::TimePoint retry_at = sys::kNever;
    sys::Duration retry_after{};
    ListHook<Connecting> hook;
};

// Is told that a stream's socket is ready: the stream's link, or, once that is down, the owner of
// orphaned streams (pump/orphans.h).
class StreamOwner {
  public:
    virtual ~StreamOwner() = default;
    virtual void on_stream_ready(Stream& stream) = 0;
    // The socket took less than it was given: the pump has to watch it for writability from now on.
    virtual void on_output_blocked(Stream& stream) = 0;
};

class Stream final : public sys::Pollable {
  public:
    // What the local program has closed of its socket, as far as readiness has told.
    enum class Closed : std::uint8_t {
        kNothing,
        kWriting,  // EPOLLRDHUP: all that it has sent is in our socket, and no edge follows
        kBoth,     // EPOLLHUP, EPOLLERR
    };

    Stream(StreamOwner& owner, StreamId stream_id, Direction opened, Label service_label,
           stream::Credit initial_credit)
        : owner_(&owner),
          id(stream_id),
          direction(opened),
          state(opened == Direction::kOutgoing ? stream::kOpenedByUs : stream::kOpenedByPeer),
          credit(initial_credit),
          label(std::move(service_label)) {}

    void on_ready(std::uint32_t events) override;
    void set_owner(StreamOwner& owner) noexcept { owner_ = &owner; }

    // The only way in which `state` changes. ACCEPT is queued here; a REFUSE or RESET by the
    // caller, who knows the reason.
    void apply(stream::Event event) noexcept {
        const stream::Step next = stream::step(state, event);
        state = next.state;
        if (next.notice == stream::Notice::kAccept) {
            outbox.accept();
        }
    }

    [[nodiscard]] bool tcp() const noexcept { return kind == sys::SocketKind::kTcp; }
    [[nodiscard]] bool over() const noexcept { return state.phase == stream::Phase::kDone; }
    [[nodiscard]] bool hung_up() const noexcept { return closed == Closed::kBoth; }
    // Whether bytes of the local program may go into the ring now.
    [[nodiscard]] bool can_send() const noexcept {
        return readable && held == 0 && outbox.data_allowed(state, credit);
    }
    // Whether a frame other than DATA is waiting to be sent.
    [[nodiscard]] bool has_frames() const noexcept { return outbox.frames_due(state, credit); }
    // Closing a UNIX socket shows the other end ECONNRESET only if bytes are left unread (unix(7)).
    // So the first bytes of a program are sent, but left in its socket (MSG_PEEK) until the peer
    // has answered: if the stream is refused, the program sees ECONNRESET rather than the end of an
    // empty answer. A program that has closed both ways would not see it.
    [[nodiscard]] bool holds_input() const noexcept {
        return state.phase == stream::Phase::kUnanswered && !tcp() && !hung_up();
    }

    // Sends pending bytes to the local socket until it takes no more; then shuts it down for
    // writing if the peer has ended. Returns how many bytes were sent.
    std::size_t flush();
    // Sends `parts` straight from the ring to the local socket; returns how many bytes were sent.
    std::size_t deliver(const ring::Segments& parts);
    // End-of-file of the local program, or it is gone.
    void note_end_of_input();
    // The local program takes no more: what waits for it is dropped.
    void note_end_of_output();
    // The pid of the program that opened the stream, if it gets neither all bytes of the service
    // nor its end-of-file and cannot tell (see StreamClosed); else 0. While the socket is open.
    [[nodiscard]] std::int32_t cut_off_program() const noexcept;
    // The peer takes no more: what the local program has sent is discarded, so that a program which
    // writes before it reads does not block for ever. What it sends from now on fails with EPIPE
    // (UNIX) or is discarded too (TCP could refuse it only with an RST, which may overtake bytes in
    // flight). False: there may be more to discard.
    bool stop_input();
    // The peer has answered, or the program would not see a reset any more: takes the held bytes
    // out of the socket.
    void discard_held() noexcept;

  private:
    void note_output_blocked();

    StreamOwner* owner_;

  public:
    const StreamId id;
    sys::UniqueFd fd;  // closed once the stream is over
    const Direction direction;
    sys::SocketKind kind = sys::SocketKind::kUnix;

    // The protocol's part.
    stream::State state;
    stream::Outbox outbox;  // frames that wait for space in the ring
    stream::Credit credit;

    // The socket's part.
    Closed closed = Closed::kNothing;
    bool readable = false;
    bool writable = false;
    bool output_watched = false;  // the socket is watched for writability
    bool send_buffer_enlarged = false;
    // StreamOpened was reported to the control plane, or is not wanted there.
    bool announced = false;
    std::uint32_t held = 0;  // bytes that were sent but are still in the program's socket
    ByteQueue pending;       // for the program, which was slower than the peer

    const Label label;
    std::unique_ptr<Connecting> connecting;  // null unless connecting
    sys::TimePoint opened_at{};
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;

    ListHook<Stream> frames_hook;
    ListHook<Stream> data_hook;
};
// Ten thousand idle streams are ten thousand of these.
static_assert(sizeof(Stream) <= 160);

}  // namespace xsock::link

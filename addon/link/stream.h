// One stream: a local socket at our end, an id on the link. Its state and the rules that follow
// from it; Link sends and parses the frames (link_receive.cc, link_transmit.cc). Pump thread only.
//
// Receive window, in bytes: recv_credit (the peer may still send) + pending.size() (waiting for the
// local program) + consumed (delivered, credit not yet returned) == window.
#pragma once

#include <cstdint>
#include <memory>

#include "link/byte_queue.h"
#include "link/events.h"
#include "link/intrusive_list.h"
#include "link/label.h"
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
    enum class Stage : std::uint8_t {
        kRetrying,    // incoming: the target's backlog is full
        kConnecting,  // incoming: TCP connect under way
        kOpen,
        kDone,  // only a frame is left to send (REFUSE, RESET or the last SHUTDOWN); the socket
                // is closed
    };
    // The frame, other than DATA and SHUTDOWN, that starts or ends the stream and is not sent yet.
    enum class Notice : std::uint8_t { kNone, kOpen, kAccept, kRefuse, kReset };

    Stream(StreamOwner& owner, StreamId stream_id, Direction opened, Label service_label)
        : owner_(&owner), id(stream_id), direction(opened), label(std::move(service_label)) {}

    void on_ready(std::uint32_t events) override;
    void set_owner(StreamOwner& owner) noexcept { owner_ = &owner; }

    [[nodiscard]] bool tcp() const noexcept { return kind == sys::SocketKind::kTcp; }
    // Whether bytes of the local program may go into the ring now.
    [[nodiscard]] bool can_send() const noexcept {
        return stage == Stage::kOpen && notice == Notice::kNone && readable && !read_done &&
               send_credit > 0 && held == 0;
    }
    // Whether a frame other than DATA is waiting to be sent.
    [[nodiscard]] bool has_frames() const noexcept {
        return notice != Notice::kNone || shutdown_wanted != shutdown_sent || credit_wanted;
    }
    // Everything that the peer sent, end-of-file included, has been passed to the local program, or
    // the program takes no more.
    [[nodiscard]] bool delivered() const noexcept {
        return (peer_ended && pending.empty()) || write_broken;
    }

    // Sends pending bytes to the local socket until it takes no more; then shuts it down for
    // writing if the peer has ended. Returns how many bytes were sent.
    std::size_t flush();
    // Sends `parts` straight from the ring to the local socket; returns how many bytes were sent.
    std::size_t deliver(const ring::Segments& parts);
    void note_end_of_input();
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
    sys::UniqueFd fd;
    const Direction direction;
    Stage stage = Stage::kOpen;
    // Frames that wait for space in the ring.
    Notice notice = Notice::kNone;
    std::uint8_t shutdown_wanted = 0;
    std::uint8_t shutdown_sent = 0;
    bool credit_wanted = false;

    sys::SocketKind kind = sys::SocketKind::kUnix;
    // Closing a UNIX socket shows the other end ECONNRESET only if bytes are left unread (unix(7)).
    // So the first bytes of a program are sent, but left in its socket (MSG_PEEK) until the peer
    // has answered: if the stream is refused, the program sees ECONNRESET rather than the end of an
    // empty answer.
    bool unanswered = false;
    bool announced =
        false;  // StreamOpened was reported to the control plane, or is not wanted there

    // Local program -> ring.
    bool readable = false;
    bool input_ending =
        false;             // the other end has shut down (EPOLLRDHUP): no edge follows a short read
    bool hung_up = false;  // the local program closed both ways
    bool end_seen = false;   // end-of-file of the local program, or it is gone
    bool read_done = false;  // end_seen, or the peer takes no more

    // Ring -> local program.
    bool writable = false;
    bool write_broken = false;  // the local program takes no more
    bool peer_ended = false;    // the peer will send no more
    bool peer_stopped = false;  // the peer will take no more
    bool write_shut = false;    // the peer's end-of-file has been passed on
    bool send_buffer_enlarged = false;
    bool output_watched = false;  // the socket is watched for writability
    bool stalled = false;  // since the last credit, the local program was slower than the peer

    std::uint32_t notice_reason = 0;  // abi::RefuseReason or abi::ResetReason; kOpen: the port or 0
    std::uint32_t send_credit = 0;
    std::uint32_t recv_credit = 0;
    std::uint32_t consumed = 0;
    std::uint32_t held = 0;  // bytes that were sent but are still in the program's socket
    std::uint32_t window = 0;
    ByteQueue pending;

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

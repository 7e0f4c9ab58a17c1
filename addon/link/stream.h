// One stream: a local socket at our end, an id on the link. State and the rules that follow from
// it; the frames are the link's business (link_receive.cc, link_transmit.cc). Pump thread only.
//
// Receive window, in bytes: recv_credit (the peer may still send) + pending.size() (waits for the
// local program) + consumed (delivered, credit not yet given back) == window.
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

// An incoming stream whose target is not reached yet.
struct Connecting {
    Connecting(Stream& of, const sys::Address& to) : stream(of), target(to) {}
    Stream& stream;
    sys::Address target;
    sys::TimePoint give_up_at = sys::kNever;
    sys::TimePoint retry_at = sys::kNever;
    sys::Duration retry_after{};
    ListHook<Connecting> hook;
};

// Who is told that a stream's socket is ready: its link, or the keeper of orphans once the link is
// down.
class StreamOwner {
  public:
    virtual ~StreamOwner() = default;
    virtual void on_stream_ready(Stream& stream) = 0;
    // The socket took less than it was given: from now on the pump is to be told when there is
    // room.
    virtual void on_output_blocked(Stream& stream) = 0;
};

class Stream final : public sys::Pollable {
  public:
    enum class Stage : std::uint8_t {
        kRetrying,    // incoming: the target's backlog is full
        kConnecting,  // incoming: TCP connect under way
        kOpen,
        kDone,  // only a frame is left to send (refuse, reset or the last shutdown); the socket is
                // closed
    };
    // The one frame besides data and shutdown that ends or starts a stream and has not left yet.
    enum class Notice : std::uint8_t { kNone, kOpen, kAccept, kRefuse, kReset };

    Stream(StreamOwner& owner, StreamId stream_id, Direction opened, Label service_label)
        : owner_(&owner), id(stream_id), direction(opened), label(std::move(service_label)) {}

    void on_ready(std::uint32_t events) override;
    void set_owner(StreamOwner& owner) noexcept { owner_ = &owner; }

    // May bytes of the local program go into the ring now?
    [[nodiscard]] bool can_send() const noexcept {
        return stage == Stage::kOpen && notice == Notice::kNone && readable && !read_done &&
               send_credit > 0 && held == 0;
    }
    // Is there a frame other than data that wants to leave?
    [[nodiscard]] bool has_frames() const noexcept {
        return notice != Notice::kNone || shutdown_wanted != shutdown_sent || credit_wanted;
    }
    // Everything that the peer sent has reached the local program, and its end-of-file too.
    [[nodiscard]] bool delivered() const noexcept {
        return (peer_ended && pending.empty()) || write_broken;
    }

    // Sends waiting bytes to the local socket until it takes no more; then its end-of-file if that
    // is due. Returns how many bytes went.
    std::size_t flush();
    // Sends `parts` straight to the local socket; returns how many bytes went.
    std::size_t deliver(const ring::Segments& parts);
    void note_end_of_input();
    // The program that opened the stream (pid), unless it was or will be told of the service's end
    // in order; else 0. While the socket is open.
    [[nodiscard]] std::int32_t cut_off_program() const noexcept;
    // The peer takes no more: what the local program has sent is dropped, so that one which writes
    // before it reads does not wait for ever. What it sends from now on is refused (UNIX) or
    // dropped too (TCP could refuse it only with an RST, which may overtake bytes on their way).
    // False: there may be more.
    bool stop_input();
    // The peer has answered, or nobody would see a reset any more: what was held is taken out.
    void discard_held() noexcept;

  private:
    void note_output_blocked();

    StreamOwner* owner_;

  public:
    const StreamId id;
    sys::UniqueFd fd;
    const Direction direction;
    Stage stage = Stage::kOpen;
    // Frames that wait for room in the ring.
    Notice notice = Notice::kNone;
    std::uint8_t shutdown_wanted = 0;
    std::uint8_t shutdown_sent = 0;
    bool credit_wanted = false;

    bool tcp = false;
    // A UNIX socket only tells its other end of a reset if it is closed with bytes unread
    // (unix(7)). So the first bytes of a program are sent, but left in its socket until the peer
    // has answered: should the stream be refused, the program sees ECONNRESET, and not the end of
    // an empty answer.
    bool unanswered = false;
    bool announced = false;  // the control plane has heard of it (StreamOpened)

    // Local program -> ring.
    bool readable = false;
    bool input_ending = false;  // an end-of-file was announced: a short read does not mean drained
    bool hung_up = false;       // the local program closed both ways
    bool end_seen = false;      // of the local program: its end-of-file, or that it is gone
    bool read_done = false;     // that, or the peer takes no more

    // Ring -> local program.
    bool writable = false;
    bool write_broken = false;  // the local program takes no more
    bool peer_ended = false;    // the peer will send no more
    bool peer_stopped = false;  // the peer will take no more
    bool write_shut = false;    // the end-of-file has been passed on
    bool send_buffer_enlarged = false;
    bool output_watched = false;  // the pump is told when there is room again
    bool stalled = false;  // since the last credit, the local program was slower than the peer

    std::uint32_t notice_reason = 0;  // abi::RefuseReason or abi::ResetReason; kOpen: the port or 0
    std::uint32_t send_credit = 0;
    std::uint32_t recv_credit = 0;
    std::uint32_t consumed = 0;
    std::uint32_t held = 0;  // bytes that were sent and are still in the program's socket
    std::uint32_t window = 0;
    ByteQueue pending;

    const Label label;
    std::unique_ptr<Connecting> connecting;  // null once it is decided
    sys::TimePoint opened_at{};
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;

    ListHook<Stream> frames_hook;
    ListHook<Stream> data_hook;
};
// Ten thousand idle streams are ten thousand of these.
static_assert(sizeof(Stream) <= 160);

}  // namespace xsock::link

// A link's streams: opening, connecting to the target, credit, and closing. Pump thread only.
#include <algorithm>
#include <system_error>
#include <utility>

#include "link/link.h"

namespace xsock::link {

namespace {

// Back-off of connecting to a target whose backlog is full, and when to give up.
constexpr sys::Duration kFirstRetry = sys::milliseconds(1);
constexpr sys::Duration kLongestRetry = sys::milliseconds(100);
constexpr sys::Duration kConnectTimeout = sys::milliseconds(10'000);

}  // namespace

void Link::on_stream_ready(Stream& stream) {
    if (stream.stage == Stream::Stage::kConnecting) {
        const int error = stream.writable ? sys::connect_result(stream.fd.get()) : 0;
        if (error != 0) {
            refuse(
                stream, abi::RefuseReason::kTargetUnavailable,
                stream.connecting->target.text() + ": " + std::generic_category().message(error));
            return;
        }
        if (stream.writable) {
            become_open(stream);
        }
        return;
    }
    if (stream.hung_up && stream.unanswered) {
        stream.discard_held();
    }
    if (stream.tcp() && stream.peer_stopped && stream.readable && !stream.end_seen) {
        stop_input(stream);
    }
    if (stream.hung_up && stream.read_done) {
        stream.shutdown_wanted |= abi::kShutdownReceive;
    }
    return_credit(stream, stream.flush());
    update(stream);
}

void Link::on_output_blocked(Stream& stream) {
    host_.watch_output(stream, stream.fd.get());
}

Stream* Link::add_stream(StreamId stream_id, Direction direction, Label label) {
    if (!host_.budget().reserve(kInitialWindow)) {
        return nullptr;
    }
    auto stream = std::make_unique<Stream>(*this, stream_id, direction, std::move(label));
    stream->window = kInitialWindow;
    stream->recv_credit = kInitialWindow;
    stream->send_credit = peer_window_;
    return &insert(std::move(stream));
}

Stream& Link::insert(std::unique_ptr<Stream> stream) {
    Stream& inserted = *stream;
    inserted.opened_at = host_.now();
    streams_.emplace(inserted.id, std::move(stream));
    note_streams();
    return inserted;
}

// Publishes this lane's counts: limits apply to all lanes together.
void Link::note_streams() noexcept {
    const auto all = static_cast<std::uint32_t>(streams_.size());
    lanes().set_streams(lane(), outgoing_, all - std::min(all, outgoing_));
}

// An id that is not in use, below the bits of the lane's number; 0 and 1 are never ids of streams.
StreamId Link::next_id() noexcept {
    constexpr StreamId kCounted = (StreamId{1} << abi::kStreamLaneShift) - 1;
    const StreamId on_lane = StreamId{lane()} << abi::kStreamLaneShift;
    StreamId id = on_lane | (next_id_ & kCounted);
    while (id < 2 || streams_.contains(id)) {
        id = on_lane | ((id + 2) & kCounted);
    }
    return id;
}

void Link::start_connecting(Stream& stream, const sys::Address& target) {
    stream.connecting = std::make_unique<Connecting>(stream, target);
    stream.connecting->give_up_at = host_.now() + kConnectTimeout;
    stream.stage = Stream::Stage::kRetrying;
    try_connect(stream);
}

// The socket is connected: watches it, and queues ACCEPT if the peer opened the stream.
void Link::become_open(Stream& stream) {
    stop_connecting(stream);
    const bool watched = stream.stage == Stream::Stage::kConnecting;
    stream.stage = Stream::Stage::kOpen;
    if (stream.direction == Direction::kIncoming) {
        stream.notice = Stream::Notice::kAccept;
    }
    stream.writable = true;
    // A client has usually written by now; a service's first bytes bring an edge.
    stream.readable = stream.direction == Direction::kOutgoing || watched;
    ++counters_.streams_opened;
    stream.announced = true;
    if (host_.reports_streams()) {
        host_.report(StreamOpened{id_, stream.id, stream.direction, *stream.label});
    }
    if (!watched) {
        try {
            host_.watch(stream, stream.fd.get(), false);
        } catch (const std::system_error&) {
            reset(stream, abi::ResetReason::kTerminated, EndReason::kTerminated);
            return;
        }
    }
    return_credit(stream, stream.flush());
    if (stream.peer_stopped && !stream.delivered()) {
        stop_input(stream);
    }
    update(stream);
}

void Link::stop_input(Stream& stream) {
    if (stream.stage != Stream::Stage::kOpen || stream.end_seen) {
        return;
    }
    stream.readable = false;
    if (!stream.stop_input()) {
        // There may be more to discard. Registering again reports readiness again, in a later turn.
        stream.output_watched = true;
        host_.watch_output(stream, stream.fd.get());
    }
}

void Link::try_connect(Stream& stream) {
    Connecting& attempt = *stream.connecting;
    sys::ConnectResult result = sys::connect(attempt.target);
    stream.fd = std::move(result.fd);
    stream.kind = attempt.target.kind;
    switch (result.outcome) {
        case sys::Connect::kDone:
            become_open(stream);
            return;
        case sys::Connect::kPending:
            stream.stage = Stream::Stage::kConnecting;
            attempt.retry_at = sys::kNever;
            connecting_.push_back(attempt);
            try {
                stream.output_watched = true;  // writability tells that it is connected
                host_.watch(stream, stream.fd.get(), true);
            } catch (const std::system_error& error) {
                refuse(stream, abi::RefuseReason::kTargetUnavailable,
                       attempt.target.text() + ": " + error.code().message());
            }
            return;
        case sys::Connect::kBusy:
            stream.stage = Stream::Stage::kRetrying;
            attempt.retry_after =
                std::min(std::max(attempt.retry_after * 2, kFirstRetry), kLongestRetry);
            attempt.retry_at = host_.now() + attempt.retry_after;
            connecting_.push_back(attempt);
            return;
        case sys::Connect::kFailed:
            refuse(stream, abi::RefuseReason::kTargetUnavailable,
                   attempt.target.text() + ": " + std::generic_category().message(result.error));
            return;
    }
}

void Link::stop_connecting(Stream& stream) noexcept {
    if (stream.connecting) {
        connecting_.remove(*stream.connecting);
        stream.connecting.reset();
    }
}

void Link::refuse(Stream& stream, abi::RefuseReason reason, std::string detail) {
    static constexpr Refusal kRefusals[] = {Refusal::kNoSuchService, Refusal::kDenied,
                                            Refusal::kTargetUnavailable, Refusal::kTooManyStreams,
                                            Refusal::kShuttingDown};
    ++counters_.streams_refused;
    host_.report(StreamRefused{id_, stream.id, stream.direction, *stream.label,
                               kRefusals[static_cast<std::uint32_t>(reason) - 1],
                               std::move(detail)});
    stop_connecting(stream);
    close_socket(stream, true);
    stream.notice = Stream::Notice::kRefuse;
    stream.notice_reason = static_cast<std::uint32_t>(reason);
    update(stream);
}

// REFUSE from the peer; `reason` is peer-controlled.
void Link::handle_refuse(Stream& stream, std::uint32_t reason) {
    if (reason < 1 || reason > static_cast<std::uint32_t>(abi::RefuseReason::kShuttingDown)) {
        corrupt("REFUSE without a known reason");
        return;
    }
    ++counters_.streams_refused;
    stream.announced = false;
    host_.report(StreamRefused{id_, stream.id, stream.direction, *stream.label,
                               static_cast<Refusal>(reason - 1), "", stream.cut_off_program()});
    stream.notice = Stream::Notice::kNone;
    if (stream.unanswered && stream.held == 0) {
        host_.await_first_bytes(std::move(stream.fd), identity_.peer_domid);
    }
    close_socket(stream, true);
    erase(stream);
}

void Link::reset(Stream& stream, abi::ResetReason reason, EndReason end) {
    finish(stream, end);
    stream.notice = Stream::Notice::kReset;
    stream.notice_reason = static_cast<std::uint32_t>(reason);
    update(stream);
}

// Puts the stream into the send lists that its state calls for, and ends it once both directions
// have.
void Link::update(Stream& stream) {
    if (stream.stage == Stream::Stage::kDone) {
        stream.has_frames() ? frames_.push_back(stream) : erase(stream);
        host_.schedule(*this);
        return;
    }
    if (stream.write_broken) {
        // The program takes no more, but what it has sent must still reach the peer.
        stream.shutdown_wanted |= abi::kShutdownReceive;
    }
    constexpr std::uint8_t kBoth = abi::kShutdownSend | abi::kShutdownReceive;
    const bool peer_closed = stream.peer_ended && stream.peer_stopped && stream.delivered();
    const bool we_closed = stream.shutdown_sent == kBoth;
    const bool both_ended =
        stream.delivered() && stream.shutdown_wanted == stream.shutdown_sent &&
        ((stream.shutdown_sent & abi::kShutdownSend) != 0 || stream.peer_stopped);
    if (stream.stage == Stream::Stage::kOpen && stream.notice == Stream::Notice::kNone &&
        (peer_closed || we_closed || both_ended)) {
        finish(stream, EndReason::kClosed);
        erase(stream);
        return;
    }
    if (stream.has_frames()) {
        frames_.push_back(stream);
        host_.schedule(*this);
    }
    if (stream.can_send()) {
        data_.push_back(stream);
        host_.schedule(*this);
    } else {
        data_.remove(stream);
    }
}

// Ends the stream for the local program; a last frame may still have to be sent.
void Link::finish(Stream& stream, EndReason reason) {
    if (stream.announced) {
        stream.announced = false;
        if (reason != EndReason::kClosed || host_.reports_streams()) {
            host_.report(StreamClosed{id_, stream.id, stream.direction, *stream.label, reason,
                                      stream.bytes_sent, stream.bytes_received,
                                      reason == EndReason::kClosed ? 0 : stream.cut_off_program()});
        }
    }
    close_socket(stream, reason != EndReason::kClosed);
}

void Link::close_socket(Stream& stream, bool abort) {
    stream.stage = Stream::Stage::kDone;
    stream.shutdown_wanted = stream.shutdown_sent;
    stream.credit_wanted = false;
    stream.pending.clear();
    host_.budget().release(std::exchange(stream.window, 0));
    data_.remove(stream);
    stop_connecting(stream);
    if (!stream.fd.valid()) {
        return;
    }
    if (stream.tcp() && abort) {
        sys::reset_on_close(stream.fd.get());
    } else if (stream.tcp() && !stream.end_seen) {
        host_.linger(std::move(stream.fd), identity_.peer_domid);
        return;
    }
    host_.unwatch(stream.fd.get());
    stream.fd.reset();
}

void Link::erase(Stream& stream) {
    frames_.remove(stream);
    data_.remove(stream);
    stop_connecting(stream);
    host_.budget().release(std::exchange(stream.window, 0));
    if (last_stream_ == &stream) {
        last_stream_ = nullptr;
    }
    if (stream.direction == Direction::kOutgoing) {
        --outgoing_;
    }
    const auto it = streams_.find(stream.id);
    host_.defer_delete(std::move(it->second));
    streams_.erase(it);
    note_streams();
    if (streams_.empty() && state_ == LinkState::kDraining) {
        host_.schedule(*this);
    }
}

// `delivered` more bytes have been passed to the local program. Credit is returned half a window at
// a time; the window grows while the program keeps up and the budget allows it.
void Link::return_credit(Stream& stream, std::size_t delivered) {
    stream.consumed += static_cast<std::uint32_t>(delivered);
    stream.stalled = stream.stalled || !stream.pending.empty();
    if (stream.peer_ended || stream.stage == Stream::Stage::kDone ||
        stream.consumed < stream.window / 2) {
        return;
    }
    const std::uint32_t largest = host_.limits().memory_per_stream;
    if (!stream.stalled && stream.window < largest) {
        const std::uint32_t growth = std::min(stream.window, largest - stream.window);
        if (host_.budget().reserve(growth)) {
            stream.window += growth;
            stream.consumed += growth;
        }
    }
    stream.stalled = !stream.pending.empty();
    stream.credit_wanted = true;
}

std::uint32_t Link::take_credit(Stream& stream) noexcept {
    if (!stream.credit_wanted) {
        return 0;
    }
    stream.credit_wanted = false;
    stream.recv_credit += stream.consumed;
    return std::exchange(stream.consumed, 0);
}

}  // namespace xsock::link

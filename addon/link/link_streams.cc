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
    if (stream.state.phase == stream::Phase::kConnecting) {
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
    if (stream.hung_up()) {
        stream.discard_held();
    }
    if (stream.tcp() && stream.readable && stream.state.sending == stream::Sending::kStopped) {
        stop_input(stream);
    }
    if (stream.hung_up() && stream.state.sending != stream::Sending::kOpen) {
        stream.note_end_of_output();
    }
    return_credit(stream, stream.flush());
    update(stream);
}

void Link::on_output_blocked(Stream& stream) {
    host_.watch_output(stream, stream.fd.get());
}

Stream* Link::add_stream(StreamId stream_id, Direction direction, Label label) {
    if (!host_.budget().reserve(stream::kInitialWindow)) {
        return nullptr;
    }
    return &insert(stream_id, direction, std::move(label), stream::Credit(peer_window_));
}

Stream& Link::insert(StreamId stream_id, Direction direction, Label label, stream::Credit credit) {
    auto stream = std::make_unique<Stream>(*this, stream_id, direction, std::move(label), credit);
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
    try_connect(stream);
}

// The target has accepted the connection: queues ACCEPT.
void Link::become_open(Stream& stream) {
    stop_connecting(stream);
    const bool watched = stream.state.phase == stream::Phase::kConnecting;
    stream.apply(stream::Event::kConnected);
    attach(stream, !watched);
}

// The socket is connected: the stream carries its bytes from now on.
void Link::attach(Stream& stream, bool watch) {
    stream.writable = true;
    // A client has usually written by now; a service's first bytes bring an edge.
    stream.readable = stream.direction == Direction::kOutgoing || !watch;
    ++counters_.streams_opened;
    stream.announced = true;
    if (host_.reports_streams()) {
        host_.report(StreamOpened{id_, stream.id, stream.direction, *stream.label});
    }
    if (watch) {
        try {
            host_.watch(stream, stream.fd.get(), false);
        } catch (const std::system_error&) {
            reset(stream, abi::ResetReason::kTerminated, EndReason::kTerminated);
            return;
        }
    }
    return_credit(stream, stream.flush());
    if (discards_input(stream.state)) {
        stop_input(stream);
    }
    update(stream);
}

void Link::stop_input(Stream& stream) {
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
            stream.apply(stream::Event::kConnectStarted);
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
    close_socket(stream, stream::Event::kRefuse);
    stream.outbox.refuse(reason);
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
    if (stream.holds_input() && stream.held == 0) {
        host_.await_first_bytes(std::move(stream.fd), identity_.peer_domid);
    }
    close_socket(stream, stream::Event::kPeerRefused);
    erase(stream);
}

void Link::reset(Stream& stream, abi::ResetReason reason, EndReason end) {
    finish(stream, stream::Event::kReset, end);
    stream.outbox.reset(reason);
    update(stream);
}

// Puts the stream into the send lists that its state calls for, and ends it once both directions
// have.
void Link::update(Stream& stream) {
    if (stream.over()) {
        stream.has_frames() ? frames_.push_back(stream) : erase(stream);
        host_.schedule(*this);
        return;
    }
    if (stream.outbox.finished(stream.state)) {
        finish(stream, stream::Event::kFinished, EndReason::kClosed);
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
void Link::finish(Stream& stream, stream::Event why, EndReason reason) {
    if (stream.announced) {
        stream.announced = false;
        services_.add(stream.direction, *stream.label, stream.bytes_sent, stream.bytes_received);
        if (reason != EndReason::kClosed || host_.reports_streams()) {
            host_.report(StreamClosed{id_, stream.id, stream.direction, *stream.label, reason,
                                      stream.bytes_sent, stream.bytes_received,
                                      reason == EndReason::kClosed ? 0 : stream.cut_off_program()});
        }
    }
    close_socket(stream, why);
}

void Link::close_socket(Stream& stream, stream::Event why) {
    stream.apply(why);
    stream.pending.clear();
    host_.budget().release(stream.credit.close());
    data_.remove(stream);
    stop_connecting(stream);
    if (!stream.fd.valid()) {
        return;
    }
    if (stream.tcp() && why != stream::Event::kFinished) {
        sys::reset_on_close(stream.fd.get());
    } else if (stream.tcp() && !program_ended(stream.state.sending)) {
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

// `delivered` more bytes have been passed to the local program.
void Link::return_credit(Stream& stream, std::size_t delivered) {
    if (stream.over() || peer_ended(stream.state.receiving)) {
        return;  // the peer has no use for credit
    }
    stream.credit.deliver(delivered, !stream.pending.empty(), host_.limits().memory_per_stream,
                          [this](std::uint32_t bytes) { return host_.budget().reserve(bytes); });
}

}  // namespace xsock::link

#include "link/link.h"

#include <algorithm>
#include <random>
#include <system_error>
#include <utility>

namespace xsock::link {

namespace {

// A target whose backlog is full is tried again this often, and given up after that long.
constexpr sys::Duration kFirstRetry = sys::milliseconds(1);
constexpr sys::Duration kLongestRetry = sys::milliseconds(100);
constexpr sys::Duration kConnectTimeout = sys::milliseconds(10'000);

std::uint64_t random_odd() {
    std::random_device source;
    return (static_cast<std::uint64_t>(source()) << 32 | source()) | 1;
}

}  // namespace

Link::Link(Host& host, LinkId id, const Identity& identity, ChannelMemory memory,
           hypervisor::Doorbells& doorbells, hypervisor::EventChannelPort port)
    : host_(host),
      id_(id),
      identity_(identity),
      channel_(std::move(memory)),
      doorbells_(doorbells),
      port_(port),
      state_(channel_.role() == Role::kServer ? LinkState::kWaiting : LinkState::kGreeting),
      streams_(0, StreamIdHash{random_odd()}),
      next_id_(channel_.role() == Role::kServer ? 2 : 3),
      last_heard_(host.now()),
      last_ping_(host.now()) {}

Link::~Link() {
    // Members that give the pages back (channel_) are destroyed after this body: their unmap-notify
    // still needs the port, so the pump closes it once the link is gone.
    for (auto& [stream_id, stream] : streams_) {
        host_.budget().release(stream->window);
    }
}

void Link::start() {
    if (channel_.role() == Role::kClient) {
        channel_.say_live();
        doorbells_.notify(port_);
        hello_wanted_ = true;
    }
    host_.schedule(*this);
}

bool Link::service(bool& progress) {
    progress = false;
    check_peer(progress);
    if (state_ == LinkState::kWaiting || state_ == LinkState::kDown) {
        return false;
    }
    const std::uint64_t frames_before = counters_.frames_received;
    const PeerState before = channel_.peer_state();
    bool more = receive();
    if (state_ == LinkState::kDown) {
        return false;
    }
    more = transmit() || more;
    if (state_ == LinkState::kDown) {
        return false;
    }
    flush_notify();
    progress = progress || counters_.frames_received != frames_before ||
               channel_.producer().acknowledged() != acknowledged_;
    acknowledged_ = channel_.producer().acknowledged();
    if (!more) {
        // The live byte is read before the ring is: what a peer wrote before it went is never
        // missed.
        if (before == PeerState::kGone) {
            const bool in_order = goodbye_heard_ && streams_.empty();
            down(in_order ? DownReason::kGoodbye : DownReason::kPeerGone, "");
            return false;
        }
        if (state_ == LinkState::kDraining && streams_.empty() && goodbye_sent_ && goodbye_heard_) {
            down(DownReason::kGoodbye, "");
            return false;
        }
        more = rest();
    }
    return more && state_ != LinkState::kDown;
}

void Link::check_peer(bool& progress) {
    switch (channel_.peer_state()) {
        case PeerState::kCorrupt:
            corrupt("the peer's live byte has a value that means nothing");
            break;
        case PeerState::kLive:
            if (state_ == LinkState::kWaiting) {
                state_ = LinkState::kGreeting;
                last_heard_ = host_.now();
                hello_wanted_ = true;
                progress = true;
            }
            break;
        case PeerState::kGone:
            if (state_ == LinkState::kWaiting) {
                down(DownReason::kPeerGone, "");
            }
            break;
        case PeerState::kNone:
            if (state_ != LinkState::kWaiting) {
                corrupt("the peer's live byte went back to 'no client yet'");
            }
            break;
    }
}

sys::TimePoint Link::deadline() const noexcept {
    if (state_ == LinkState::kWaiting || state_ == LinkState::kDown) {
        return std::min(drain_until_, sys::kNever);
    }
    sys::TimePoint next = std::min(last_heard_ + host_.timings().heartbeat_timeout, drain_until_);
    if (active()) {
        next =
            std::min(next, std::max(last_heard_, last_ping_) + host_.timings().heartbeat_interval);
    }
    for (const Stream* stream = connecting_.front(); stream != nullptr;
         stream = stream->connecting_hook.next) {
        next = std::min({next, stream->retry_at, stream->give_up_at});
    }
    return next;
}

void Link::tick() {
    const sys::TimePoint now = host_.now();
    if (state_ == LinkState::kDown) {
        return;
    }
    if (now >= drain_until_) {
        down(goodbye_heard_ && streams_.empty() ? DownReason::kGoodbye : DownReason::kClosed, "");
        return;
    }
    if (state_ == LinkState::kWaiting) {
        return;
    }
    if (now >= last_heard_ + host_.timings().heartbeat_timeout) {
        down(DownReason::kSilent, "");
        return;
    }
    if (active() && now >= std::max(last_heard_, last_ping_) + host_.timings().heartbeat_interval) {
        last_ping_ = now;
        ping_wanted_ = true;
        host_.schedule(*this);
    }
    for (Stream* stream = connecting_.front(); stream != nullptr;) {
        Stream* const next = stream->connecting_hook.next;
        if (now >= stream->give_up_at) {
            refuse(*stream, abi::RefuseReason::kTargetUnavailable,
                   stream->target.text() + ": " +
                       (stream->stage == Stream::Stage::kRetrying ? "its backlog is full (EAGAIN)"
                                                                  : "no answer (ETIMEDOUT)"));
        } else if (now >= stream->retry_at) {
            try_connect(*stream);
        }
        stream = next;
    }
}

void Link::send_services(std::vector<std::byte> message) {
    services_out_ = std::move(message);
    host_.schedule(*this);
}

void Link::open(sys::UniqueFd socket, bool tcp, const std::string& name,
                std::uint16_t service_port) {
    const std::string label = name.empty() ? "port/" + std::to_string(service_port) : name;
    const std::uint32_t limit = std::min(host_.limits().streams_per_peer, peer_max_streams_);
    Refusal refusal = Refusal::kLinkDown;
    if (state_ == LinkState::kDraining) {
        refusal = Refusal::kShuttingDown;
    } else if (state_ == LinkState::kUp) {
        refusal = Refusal::kTooManyStreams;
        if (outgoing_ < limit) {
            while (next_id_ < 2 || streams_.contains(next_id_)) {
                next_id_ += 2;  // 0 and 1 are never stream ids
            }
            Stream* stream = add_stream(next_id_, Direction::kOutgoing, label);
            if (stream != nullptr) {
                next_id_ += 2;
                ++outgoing_;
                stream->fd = std::move(socket);
                stream->tcp = tcp;
                stream->notice = Stream::Notice::kOpen;
                stream->notice_reason = service_port;
                become_open(*stream);
                return;
            }
        }
    }
    ++counters_.streams_refused;
    host_.report(StreamRefused{id_, 0, Direction::kOutgoing, label, refusal, ""});
}

bool Link::terminate(StreamId stream_id) {
    const auto it = streams_.find(stream_id);
    if (it == streams_.end() || it->second->stage == Stream::Stage::kDone) {
        return false;
    }
    reset(*it->second, abi::ResetReason::kTerminated, EndReason::kTerminated);
    return true;
}

void Link::drain(sys::TimePoint until) {
    if (state_ == LinkState::kDown) {
        return;
    }
    if (!active() || until <= host_.now()) {
        down(DownReason::kClosed, "");
        return;
    }
    state_ = LinkState::kDraining;
    drain_until_ = std::min(drain_until_, until);
    goodbye_wanted_ = !goodbye_sent_;
    host_.schedule(*this);
}

void Link::down(DownReason reason, std::string detail) {
    if (state_ == LinkState::kDown) {
        return;
    }
    const bool peer_believed = reason != DownReason::kCorrupt && reason != DownReason::kVersion &&
                               reason != DownReason::kIdentity;
    state_ = LinkState::kDown;
    for (auto& [stream_id, owned] : streams_) {
        Stream& stream = *owned;
        const bool complete = peer_believed && stream.stage == Stream::Stage::kOpen &&
                              stream.peer_ended && !stream.delivered();
        if (stream.announced) {
            host_.report(StreamClosed{id_, stream.id, stream.direction, stream.service,
                                      EndReason::kLinkDown, stream.bytes_sent,
                                      stream.bytes_received});
        }
        frames_.remove(stream);
        data_.remove(stream);
        connecting_.remove(stream);
        if (complete) {
            host_.adopt_orphan(std::move(owned));  // with its share of the budget
        } else {
            close_socket(stream, true);
            host_.bury(std::move(owned));
        }
    }
    streams_.clear();
    outgoing_ = 0;
    last_stream_ = nullptr;
    publish();
    channel_.say_gone();
    doorbells_.notify(port_);
    host_.report(LinkDown{id_, reason, std::move(detail)});
    host_.schedule(*this);
}

void Link::on_stream_ready(Stream& stream) {
    if (stream.stage == Stream::Stage::kConnecting) {
        const int error = stream.writable ? sys::connect_result(stream.fd.get()) : 0;
        if (error != 0) {
            refuse(stream, abi::RefuseReason::kTargetUnavailable,
                   stream.target.text() + ": " + std::generic_category().message(error));
            return;
        }
        if (stream.writable) {
            become_open(stream);
        }
        return;
    }
    if (stream.hung_up && stream.read_done) {
        stream.shutdown_wanted |= abi::kShutdownReceive;
    }
    return_credit(stream, stream.flush());
    update(stream);
}

Stream* Link::add_stream(StreamId stream_id, Direction direction, std::string service) {
    if (!host_.budget().reserve(kInitialWindow)) {
        return nullptr;
    }
    auto stream = std::make_unique<Stream>(*this, stream_id, direction, std::move(service));
    stream->window = kInitialWindow;
    stream->recv_credit = kInitialWindow;
    stream->send_credit = peer_window_;
    return &insert(std::move(stream));
}

Stream& Link::insert(std::unique_ptr<Stream> stream) {
    Stream& inserted = *stream;
    inserted.opened_at = host_.now();
    streams_.emplace(inserted.id, std::move(stream));
    return inserted;
}

void Link::start_connecting(Stream& stream, const sys::Address& target) {
    stream.target = target;
    stream.give_up_at = host_.now() + kConnectTimeout;
    stream.stage = Stream::Stage::kRetrying;
    try_connect(stream);
}

// The socket is connected: watch it, and let the peer know.
void Link::become_open(Stream& stream) {
    connecting_.remove(stream);
    const bool watched = stream.stage == Stream::Stage::kConnecting;
    stream.stage = Stream::Stage::kOpen;
    if (stream.direction == Direction::kIncoming) {
        stream.notice = Stream::Notice::kAccept;
    }
    stream.writable = true;
    stream.readable = true;
    ++counters_.streams_opened;
    stream.announced = true;
    host_.report(StreamOpened{id_, stream.id, stream.direction, stream.service});
    if (!watched) {
        try {
            host_.watch(stream, stream.fd.get());
        } catch (const std::system_error&) {
            reset(stream, abi::ResetReason::kTerminated, EndReason::kTerminated);
            return;
        }
    }
    return_credit(stream, stream.flush());
    update(stream);
}

void Link::try_connect(Stream& stream) {
    sys::ConnectResult result = sys::connect(stream.target);
    stream.fd = std::move(result.fd);
    stream.tcp = stream.target.tcp;
    switch (result.outcome) {
        case sys::Connect::kDone:
            become_open(stream);
            return;
        case sys::Connect::kPending:
            stream.stage = Stream::Stage::kConnecting;
            stream.retry_at = sys::kNever;
            connecting_.push_back(stream);
            try {
                host_.watch(stream, stream.fd.get());
            } catch (const std::system_error& error) {
                refuse(stream, abi::RefuseReason::kTargetUnavailable,
                       stream.target.text() + ": " + error.code().message());
            }
            return;
        case sys::Connect::kBusy:
            stream.stage = Stream::Stage::kRetrying;
            stream.retry_after =
                std::min(std::max(stream.retry_after * 2, kFirstRetry), kLongestRetry);
            stream.retry_at = host_.now() + stream.retry_after;
            connecting_.push_back(stream);
            return;
        case sys::Connect::kFailed:
            refuse(stream, abi::RefuseReason::kTargetUnavailable,
                   stream.target.text() + ": " + std::generic_category().message(result.error));
            return;
    }
}

void Link::refuse(Stream& stream, abi::RefuseReason reason, std::string detail) {
    static constexpr Refusal kRefusals[] = {Refusal::kNoSuchService, Refusal::kDenied,
                                            Refusal::kTargetUnavailable, Refusal::kTooManyStreams,
                                            Refusal::kShuttingDown};
    ++counters_.streams_refused;
    host_.report(StreamRefused{id_, stream.id, stream.direction, stream.service,
                               kRefusals[static_cast<std::uint32_t>(reason) - 1],
                               std::move(detail)});
    connecting_.remove(stream);
    close_socket(stream, true);
    stream.notice = Stream::Notice::kRefuse;
    stream.notice_reason = static_cast<std::uint32_t>(reason);
    update(stream);
}

void Link::reset(Stream& stream, abi::ResetReason reason, EndReason end) {
    finish(stream, end);
    stream.notice = Stream::Notice::kReset;
    stream.notice_reason = static_cast<std::uint32_t>(reason);
    update(stream);
}

// Puts the stream into the lists that its state asks for, and ends it when both directions are
// over.
void Link::update(Stream& stream) {
    if (stream.stage == Stream::Stage::kDone) {
        stream.has_frames() ? frames_.push_back(stream) : erase(stream);
        host_.schedule(*this);
        return;
    }
    if (stream.write_broken) {
        // It takes no more, but what it has sent is still owed to the peer.
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

// The stream is over for the local program; a last frame may still have to leave.
void Link::finish(Stream& stream, EndReason reason) {
    if (stream.announced) {
        stream.announced = false;
        host_.report(StreamClosed{id_, stream.id, stream.direction, stream.service, reason,
                                  stream.bytes_sent, stream.bytes_received});
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
    connecting_.remove(stream);
    if (!stream.fd.valid()) {
        return;
    }
    if (stream.tcp && abort) {
        sys::reset_on_close(stream.fd.get());
    } else if (stream.tcp && !stream.read_done) {
        host_.linger(std::move(stream.fd));
        return;
    }
    stream.fd.reset();
}

void Link::erase(Stream& stream) {
    frames_.remove(stream);
    data_.remove(stream);
    connecting_.remove(stream);
    host_.budget().release(std::exchange(stream.window, 0));
    if (last_stream_ == &stream) {
        last_stream_ = nullptr;
    }
    if (stream.direction == Direction::kOutgoing) {
        --outgoing_;
    }
    const auto it = streams_.find(stream.id);
    host_.bury(std::move(it->second));
    streams_.erase(it);
    if (streams_.empty() && state_ == LinkState::kDraining) {
        host_.schedule(*this);
    }
}

// `delivered` more bytes have left our memory. Half a window is given back at a time; a stream
// whose program keeps up gets a larger one while the budget lasts.
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

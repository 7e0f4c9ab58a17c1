#include "link/link.h"

#include <algorithm>
#include <random>
#include <system_error>
#include <utility>

namespace xsock::link {

namespace {

std::uint64_t random_odd() {
    std::random_device source;
    return (static_cast<std::uint64_t>(source()) << 32 | source()) | 1;
}

}  // namespace

Link::Link(Host& host, LinkId id, const Identity& identity, channel::ChannelMemory memory,
           hypervisor::Doorbells& doorbells, hypervisor::EventChannelPort port, LaneRef lane_ref)
    : host_(host),
      id_(id),
      identity_(identity),
      lane_ref_(std::move(lane_ref)),
      channel_(std::move(memory)),
      doorbells_(doorbells),
      port_(port),
      state_(channel_.role() == channel::Role::kServer ? LinkState::kWaiting
                                                       : LinkState::kGreeting),
      streams_(0, StreamIdHash{random_odd()}),
      next_id_(channel_.role() == channel::Role::kServer ? 2 : 3),
      last_heard_(host.now()),
      last_ping_(host.now()) {}

Link::~Link() {
    // channel_ is destroyed after this body and releases the pages: their unmap-notify still needs
    // the port, which the pump therefore closes after the link is destroyed.
    for (auto& [stream_id, stream] : streams_) {
        host_.budget().release(stream->credit.window());
    }
}

void Link::start() {
    if (channel_.role() == channel::Role::kClient) {
        channel_.mark_live();
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
    const channel::PeerState before = channel_.peer_state();
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
        // The live byte was read before the ring: nothing that the peer wrote before it cleared
        // the byte is missed.
        if (before == channel::PeerState::kGone) {
            const bool in_order = goodbye_heard_ && streams_.empty();
            down(in_order ? DownReason::kGoodbye : DownReason::kPeerGone, "");
            return false;
        }
        if (state_ == LinkState::kDraining && streams_.empty() && goodbye_sent_ && goodbye_heard_ &&
            (lane() > 0 || lanes().alone())) {
            down(DownReason::kGoodbye, "");
            return false;
        }
    }
    return more && state_ != LinkState::kDown;
}

void Link::check_peer(bool& progress) {
    switch (channel_.peer_state()) {
        case channel::PeerState::kCorrupt:
            corrupt("the peer's live byte has an invalid value");
            break;
        case channel::PeerState::kLive:
            if (state_ == LinkState::kWaiting) {
                state_ = LinkState::kGreeting;
                last_heard_ = host_.now();
                hello_wanted_ = true;
                progress = true;
            }
            break;
        case channel::PeerState::kGone:
            if (state_ == LinkState::kWaiting) {
                down(DownReason::kPeerGone, "");
            }
            break;
        case channel::PeerState::kNone:
            if (state_ != LinkState::kWaiting) {
                corrupt("the peer's live byte went back to 'no client yet'");
            }
            break;
    }
}

bool Link::poll() {
    if (state_ == LinkState::kDown) {
        return false;
    }
    if (state_ == LinkState::kWaiting) {
        return channel_.peer_state() != channel::PeerState::kNone;
    }
    ring::Consumer& in = channel_.consumer();
    ring::Producer& out = channel_.producer();
    const std::size_t space = out.space();
    if (!in.refresh()) {
        corrupt("producer index out of range");
        return false;
    }
    if (!out.refresh()) {
        corrupt("consumer index out of range");
        return false;
    }
    return in.available() > 0 || (blocked_on_space_ && out.space() > space) ||
           channel_.peer_state() != channel::PeerState::kLive;
}

bool Link::enable_notifications() {
    if (state_ != LinkState::kWaiting && state_ != LinkState::kDown) {
        channel_.request_notify(static_cast<std::uint8_t>(
            abi::kNotifyWrite | (blocked_on_space_ ? abi::kNotifyRead : 0)));
    }
    return poll() || state_ == LinkState::kDown;
}

sys::TimePoint Link::deadline() const noexcept {
    if (state_ == LinkState::kWaiting || state_ == LinkState::kDown) {
        return std::min(drain_until_, sys::kNever);
    }
    sys::TimePoint next = std::min(silent_at(), drain_until_);
    if (active()) {
        next =
            std::min(next, std::max(last_heard_, last_ping_) + host_.timings().heartbeat_interval);
    }
    for (const Connecting* attempt = connecting_.front(); attempt != nullptr;
         attempt = attempt->hook.next) {
        next = std::min({next, attempt->retry_at, attempt->give_up_at});
    }
    return next;
}

// When a silent peer counts as dead. Both ends of a domain's link with itself are on this thread:
// neither dies without the other, and silence only means that the process did not run (SIGSTOP, a
// paused domain).
sys::TimePoint Link::silent_at() const noexcept {
    return identity_.domid == identity_.peer_domid
               ? sys::kNever
               : last_heard_ + host_.timings().heartbeat_timeout;
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
    if (now >= silent_at()) {
        down(DownReason::kSilent, "");
        return;
    }
    if (active() && now >= std::max(last_heard_, last_ping_) + host_.timings().heartbeat_interval) {
        last_ping_ = now;
        ping_wanted_ = true;
        host_.schedule(*this);
    }
    for (Connecting* attempt = connecting_.front(); attempt != nullptr;) {
        Connecting* const next = attempt->hook.next;
        Stream& stream = attempt->stream;
        if (now >= attempt->give_up_at) {
            refuse(stream, abi::RefuseReason::kTargetUnavailable,
                   attempt->target.text() + ": " +
                       (stream.state.phase == stream::Phase::kUnconnected
                            ? "its backlog is full (EAGAIN)"
                            : "no answer (ETIMEDOUT)"));
        } else if (now >= attempt->retry_at) {
            try_connect(stream);
        }
        attempt = next;
    }
}

void Link::announce(const abi::Lane& further) {
    lanes_out_.push_back(further);
    host_.schedule(*this);
}

void Link::send_services(std::vector<std::byte> message) {
    services_out_ = std::move(message);
    host_.schedule(*this);
}

void Link::open(sys::UniqueFd socket, sys::SocketKind kind, const Label& label,
                std::uint16_t service_port) {
    const std::uint32_t limit = std::min(host_.limits().streams_per_peer, peer_max_streams_);
    const std::uint32_t elsewhere = lanes().elsewhere(lane()).first;
    Refusal refusal = Refusal::kLinkDown;
    if (state_ == LinkState::kDraining) {
        refusal = Refusal::kShuttingDown;
    } else if (state_ == LinkState::kUp) {
        refusal = Refusal::kTooManyStreams;
        if (outgoing_ + elsewhere < limit) {
            Stream* stream = add_stream(next_id(), Direction::kOutgoing, label);
            if (stream != nullptr) {
                next_id_ = stream->id + 2;
                ++outgoing_;
                note_streams();
                stream->fd = std::move(socket);
                stream->kind = kind;
                stream->outbox.open(service_port);
                attach(*stream, true);
                return;
            }
        }
    }
    ++counters_.streams_refused;
    host_.report(StreamRefused{id_, 0, Direction::kOutgoing, *label, refusal, "",
                               sys::program_of(socket.get())});
    if (kind == sys::SocketKind::kUnix && socket.valid()) {
        host_.await_first_bytes(std::move(socket), identity_.peer_domid);
    }
}

bool Link::terminate(StreamId stream_id) {
    const auto it = streams_.find(stream_id);
    if (it == streams_.end() || it->second->over()) {
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
        const bool complete = peer_believed && is_open(stream.state) &&
                              stream.state.receiving == stream::Receiving::kEnding;
        if (stream.announced) {
            host_.report(StreamClosed{
                id_, stream.id, stream.direction, *stream.label, EndReason::kLinkDown,
                stream.bytes_sent, stream.bytes_received, complete ? 0 : stream.cut_off_program()});
        }
        frames_.remove(stream);
        data_.remove(stream);
        stop_connecting(stream);
        if (complete) {
            host_.adopt_orphan(std::move(owned), identity_.peer_domid);
        } else {
            close_socket(stream, stream::Event::kLinkDown);
            host_.defer_delete(std::move(owned));
        }
    }
    streams_.clear();
    outgoing_ = 0;
    note_streams();
    lanes().set_up(lane(), false);
    if (lane() == 0) {
        lanes().close();
    }
    last_stream_ = nullptr;
    publish();
    channel_.mark_gone();
    doorbells_.notify(port_);
    host_.report(LinkDown{id_, reason, std::move(detail)});
    host_.schedule(*this);
}

}  // namespace xsock::link

#include "vchan/relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <system_error>

namespace xsock::vchan {

using channel::PeerState;

namespace {

// Bytes moved in one direction before other relays get their turn.
constexpr std::size_t kTurn = 256 * 1024;
constexpr sys::Duration kFirstNudge = sys::milliseconds(10);
constexpr sys::Duration kLongestNudge = sys::milliseconds(1'000);
constexpr sys::Duration kBusyRetry = sys::milliseconds(10);
// How long a server may take to notice that its client left; how often its page is polled
// meanwhile, since it sends no notification then; and the time it has to discard what is left, once
// it noticed.
constexpr sys::Duration kPeerNoticeTime = sys::milliseconds(2'000);
constexpr sys::Duration kPeerPollInterval = sys::milliseconds(5);
constexpr sys::Duration kDropTime = sys::milliseconds(50);

}  // namespace

Relay::Relay(RelayId relay_id, channel::ChannelMemory memory, hypervisor::Doorbells& doorbells,
             hypervisor::EventChannelPort port, sys::Epoll& epoll, sys::Address target)
    : id(relay_id),
      channel_(std::in_place, std::move(memory)),
      doorbells_(doorbells),
      port_(port),
      epoll_(epoll),
      target_(std::move(target)) {}

Relay::Relay(RelayId relay_id, channel::ChannelMemory memory, hypervisor::Doorbells& doorbells,
             hypervisor::EventChannelPort port, sys::Epoll& epoll, sys::UniqueFd local)
    : id(relay_id),
      channel_(std::in_place, std::move(memory)),
      doorbells_(doorbells),
      port_(port),
      epoll_(epoll) {
    channel_->mark_live();
    doorbells_.notify(port_);
    open_ = true;
    take(std::move(local));
}

Relay::~Relay() {
    hang_up();
    channel_.reset();         // unmap-notify sends on the port,
    doorbells_.close(port_);  // which is therefore closed last
}

void Relay::hang_up() noexcept {
    if (fd_.valid()) {
        // Bytes that were sent stay readable, followed by an end-of-file.
        ::shutdown(fd_.get(), SHUT_WR);
        epoll_.remove(fd_.get());  // before it is closed: see link::Host::unwatch
        fd_.reset();
    }
    channel_->mark_gone();
    doorbells_.notify(port_);
}

// Before libxenvchan sleeps it requests a notification of the next write. The request is cleared
// here: once it is set again, the server has been awake since we left.
void Relay::leave(sys::TimePoint now) {
    channel_->mark_gone();
    static_cast<void>(channel_->take_notify(abi::kNotifyWrite));
    hang_up();
    leave_until_ = now + kPeerNoticeTime;
    retry_at_ = now + kPeerPollInterval;
}

bool Relay::left(sys::TimePoint now) {
    if (!noticed_ && channel_->wants_notify(abi::kNotifyWrite)) {
        noticed_ = true;
        leave_until_ = now + kDropTime;
    }
    retry_at_ = std::min(now + kPeerPollInterval, leave_until_);
    if (channel_->role() == channel::Role::kClient && channel_->peer_state() == PeerState::kLive &&
        now < leave_until_) {
        return false;
    }
    // The server may still sleep, relying on its request: restored, so that the next client
    // notifies it.
    channel_->restore_notify(abi::kNotifyWrite);
    return true;
}

void Relay::end(End reason, std::string detail) noexcept {
    if (!over()) {
        end_ = reason;
        detail_ = std::move(detail);
    }
}

void Relay::take(sys::UniqueFd local) {
    fd_ = std::move(local);
    epoll_.add(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sys::tag_of(*this));
    readable_ = writable_ = !connecting_;
}

void Relay::on_ready(std::uint32_t events) {
    readable_ = readable_ || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    writable_ = writable_ || (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    hung_up_ = hung_up_ || (events & (EPOLLHUP | EPOLLERR)) != 0;
}

void Relay::connect_target(sys::TimePoint now) {
    sys::ConnectResult result = sys::connect(*target_);
    switch (result.outcome) {
        case sys::Connect::kBusy:
            retry_at_ = now + kBusyRetry;
            return;
        case sys::Connect::kFailed:
            end(End::kTargetUnavailable,
                target_->text() + ": " + std::generic_category().message(result.error));
            return;
        case sys::Connect::kPending:
            connecting_ = true;
            break;
        case sys::Connect::kDone:
            break;
    }
    retry_at_ = sys::kNever;
    try {
        take(std::move(result.fd));
    } catch (const std::system_error& error) {  // out of watches
        end(End::kTargetUnavailable, target_->text() + ": " + error.code().message());
    }
}

// True once there is a connected local socket. What the peer writes meanwhile waits in the ring.
bool Relay::prepare(sys::TimePoint now) {
    if (!fd_.valid()) {
        if (channel_->peer_state() == PeerState::kNone) {
            return false;
        }
        open_ = true;
        if (retry_at_ == sys::kNever || now >= retry_at_) {
            connect_target(now);
        }
    }
    if (connecting_ && writable_) {
        const int error = sys::connect_result(fd_.get());
        if (error != 0) {
            end(End::kTargetUnavailable,
                target_->text() + ": " + std::generic_category().message(error));
        }
        connecting_ = false;
        readable_ = true;
    }
    return fd_.valid() && !connecting_ && !over();
}

void Relay::notify_if_requested(std::uint8_t bits) noexcept {
    if (channel_->take_notify(bits) != 0) {
        doorbells_.notify(port_);
    }
}

bool Relay::turn(sys::TimePoint now) {
    if (over() || !prepare(now)) {
        return false;
    }
    // Read before the ring: everything that the peer wrote before it cleared the byte is then seen.
    const PeerState peer = channel_->peer_state();
    if (peer == PeerState::kCorrupt || peer == PeerState::kNone) {
        end(End::kCorrupt, "invalid live byte");
        return false;
    }
    const bool more_in = deliver();
    const bool more_out = collect();
    nudge(now);
    if (!over()) {
        decide(peer);
    }
    return !over() && (more_in || more_out);
}

// Ring -> local socket. True: stopped at the limit of a turn.
bool Relay::deliver() {
    ring::Consumer& ring = channel_->consumer();
    for (std::size_t moved = 0; moved < kTurn;) {
        if (!ring.refresh()) {
            end(End::kCorrupt, "an impossible write index");
            return false;
        }
        if (ring.available() == 0) {
            channel_->request_notify(abi::kNotifyWrite);
            if (!ring.refresh() || ring.available() == 0) {
                return false;
            }
        }
        std::size_t taken = ring.available();
        if (!output_broken_) {
            if (!writable_) {
                return false;
            }
            ring::Segments parts = ring.data(0, taken);
            const auto sent = sys::send(fd_.get(), std::span(parts.parts).first(parts.count));
            if (sent.outcome == sys::Transfer::kWouldBlock) {
                writable_ = false;
                return false;
            }
            output_broken_ = sent.outcome == sys::Transfer::kBroken;
            taken = output_broken_ ? taken : sent.bytes;
        }
        // After the local side has gone, bytes are discarded, so that the peer does not block.
        ring.advance(taken);
        ring.publish();
        notify_if_requested(abi::kNotifyRead);
        bytes_received_ += taken;
        moved += taken;
    }
    return true;
}

// Local socket -> ring. True: stopped at the limit of a turn.
bool Relay::collect() {
    ring::Producer& ring = channel_->producer();
    for (std::size_t moved = 0; moved < kTurn;) {
        if (!readable_ || input_ended_) {
            return false;
        }
        if (!ring.refresh()) {
            end(End::kCorrupt, "an impossible read index");
            return false;
        }
        if (ring.space() == 0) {
            channel_->request_notify(abi::kNotifyRead);
            if (!ring.refresh() || ring.space() == 0) {
                return false;
            }
        }
        ring::Segments room = ring.room(0, ring.space());
        const auto got = sys::receive(fd_.get(), std::span(room.parts).first(room.count));
        switch (got.outcome) {
            case sys::Transfer::kBytes:
                ring.advance(got.bytes);
                ring.publish();
                notify_if_requested(abi::kNotifyWrite);
                bytes_sent_ += got.bytes;
                moved += got.bytes;
                break;
            case sys::Transfer::kWouldBlock:
                readable_ = false;
                return false;
            case sys::Transfer::kEndOfFile:
                input_ended_ = true;
                return false;
            case sys::Transfer::kBroken:
                input_ended_ = output_broken_ = true;
                return false;
            case sys::Transfer::kFdPassing:
                end(End::kLocalGone, "file descriptors cannot cross domains");
                return false;
        }
    }
    return true;
}

// A server may miss the notification that it requested: vchan-socket-proxy does not check the ring
// before it first waits, and our first bytes may have notified it while it was still handling our
// connection. Until it has read something it is notified again, with back-off.
void Relay::nudge(sys::TimePoint now) noexcept {
    const std::uint32_t start = channel_->start().left_cons;
    const bool unread = channel_->role() == channel::Role::kClient && bytes_sent_ > 0 &&
                        channel_->producer().acknowledged() == start;
    if (!unread) {
        nudge_at_ = sys::kNever;
        return;
    }
    if (nudge_at_ != sys::kNever && now >= nudge_at_) {
        doorbells_.notify(port_);
    }
    if (nudge_at_ == sys::kNever || now >= nudge_at_) {
        nudge_after_ = std::min(std::max(nudge_after_ * 2, kFirstNudge), kLongestNudge);
        nudge_at_ = now + nudge_after_;
    }
}

// If not, requests a notification of the next read.
bool Relay::peer_has_read_all() {
    ring::Producer& ring = channel_->producer();
    if (!ring.refresh()) {
        end(End::kCorrupt, "an impossible read index");
        return false;
    }
    if (ring.space() != ring.size()) {
        channel_->request_notify(abi::kNotifyRead);
        if (!ring.refresh()) {
            end(End::kCorrupt, "an impossible read index");
        }
    }
    return ring.space() == ring.size();
}

void Relay::decide(PeerState peer) {
    const bool delivered = channel_->consumer().available() == 0;
    if (peer == PeerState::kGone) {
        if (delivered) {
            end(End::kPeerGone, "");
        }
        return;
    }
    const bool local_over =
        input_ended_ && (hung_up_ || output_broken_ || channel_->role() == channel::Role::kServer);
    if (local_over && peer_has_read_all()) {
        end(output_broken_ ? End::kLocalGone : End::kClosed, "");
    }
}

}  // namespace xsock::vchan

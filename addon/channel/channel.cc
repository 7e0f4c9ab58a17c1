#include "channel/channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/error.h"

namespace xsock::channel {

using hypervisor::Access;
using hypervisor::kPageSize;
using hypervisor::UnmapNotify;

namespace {

// Pages of a ring of 2^order bytes; 0 for a ring inside the control page.
std::size_t pages_of(std::uint16_t order) noexcept {
    return order < abi::kMinByteOrder ? 0 : std::size_t{1} << (order - abi::kMinByteOrder);
}

bool is_order(std::uint16_t order) noexcept {
    return order >= abi::kMinByteOrder && order <= abi::kMaxByteOrder;
}

}  // namespace

ChannelMemory ChannelMemory::share(hypervisor::GrantedMemory& memory, hypervisor::DomId peer,
                                   std::uint16_t order, hypervisor::EventChannelPort port) {
    if (!is_order(order)) {
        sys::throw_errno("share", EINVAL);
    }
    ChannelMemory channel(Role::kServer);
    const UnmapNotify notify{offsetof(abi::ControlPage, srv_live), port};
    channel.shared_control_ = memory.share(peer, 1, Access::kReadWrite, &notify);
    channel.shared_left_ = memory.share(peer, pages_of(order), Access::kReadWrite, nullptr);
    // Only we write the right ring; libxenvchan clients map it read-only too.
    channel.shared_right_ = memory.share(peer, pages_of(order), Access::kReadOnly, nullptr);
    channel.ring_ref_ = channel.shared_control_->refs().front();
    channel.left_ = channel.shared_left_->bytes();
    channel.right_ = channel.shared_right_->bytes();

    std::byte* const raw = channel.shared_control_->bytes().data();
    channel.page_ = reinterpret_cast<abi::ControlPage*>(raw);
    abi::ControlPage& page = *channel.page_;
    page.left_order = order;
    page.right_order = order;
    std::byte* grants = raw + abi::kGrantsOffset;
    for (const auto refs : {channel.shared_left_->refs(), channel.shared_right_->refs()}) {
        std::memcpy(grants, refs.data(), refs.size_bytes());
        grants += refs.size_bytes();
    }
    page.cli_live = abi::kNoClientYet;
    page.srv_live = abi::kLive;
    page.cli_notify = abi::kNotifyWrite;
    return channel;
}

ChannelMemory ChannelMemory::map(hypervisor::GrantedMemory& memory, hypervisor::DomId owner,
                                 hypervisor::GrantRef ring_ref, hypervisor::EventChannelPort port,
                                 Offers offers) {
    // Checked through a mapping without unmap-notify first: releasing the final mapping would clear
    // cli_live, and must not disturb an offer that another client uses.
    const hypervisor::GrantRef refs[] = {ring_ref};
    const std::uint16_t smallest =
        offers == Offers::kStock ? abi::kMinStockByteOrder : abi::kMinByteOrder;
    bool left_behind = false;
    std::uint16_t left_order = 0;
    std::uint16_t right_order = 0;
    std::vector<hypervisor::GrantRef> ring_refs;
    {
        const auto probe = memory.map(owner, refs, Access::kReadWrite, nullptr);
        auto& page = *reinterpret_cast<abi::ControlPage*>(probe->bytes().data());
        const std::uint8_t client = ring::load_acquire(page.cli_live);
        left_behind = offers == Offers::kStock && client == abi::kGone;
        if (ring::load_acquire(page.srv_live) != abi::kLive ||
            (client != abi::kNoClientYet && !left_behind)) {
            sys::throw_errno("map: the offer is already taken", EBUSY);
        }
        // Peer-written: copied once, then checked.
        left_order = std::atomic_ref(page.left_order).load(std::memory_order_relaxed);
        right_order = std::atomic_ref(page.right_order).load(std::memory_order_relaxed);
        const bool overlap = left_order == right_order && left_order < abi::kMinByteOrder;
        if (left_order < smallest || right_order < smallest || left_order > abi::kMaxByteOrder ||
            right_order > abi::kMaxByteOrder || overlap) {
            sys::throw_errno("map: ring order out of range", EPROTO);
        }
        ring_refs.resize(pages_of(left_order) + pages_of(right_order));
        // The list may be empty: both rings may lie in the control page itself.
        const std::span<hypervisor::GrantRef> all(ring_refs);
        ring::copy_once(std::as_writable_bytes(all).data(),
                        probe->bytes().subspan(abi::kGrantsOffset, all.size_bytes()).data(),
                        all.size_bytes());
    }
    const std::span<const hypervisor::GrantRef> all(ring_refs);
    ChannelMemory channel(Role::kClient);
    if (pages_of(left_order) > 0) {
        channel.mapped_left_ =
            memory.map(owner, all.first(pages_of(left_order)), Access::kReadWrite, nullptr);
    }
    if (pages_of(right_order) > 0) {
        channel.mapped_right_ =
            memory.map(owner, all.subspan(pages_of(left_order)), Access::kReadOnly, nullptr);
    }
    const UnmapNotify notify{offsetof(abi::ControlPage, cli_live), port};
    channel.mapped_control_ = memory.map(owner, refs, Access::kReadWrite, &notify);
    channel.page_ = reinterpret_cast<abi::ControlPage*>(channel.mapped_control_->bytes().data());
    const auto ring = [&](const std::unique_ptr<hypervisor::MappedPages>& own,
                          std::uint16_t order) {
        const std::size_t size = std::size_t{1} << order;
        return own ? own->bytes() : channel.mapped_control_->bytes().subspan(size, size);
    };
    channel.left_ = ring(channel.mapped_left_, left_order);
    channel.right_ = ring(channel.mapped_right_, right_order);
    if (left_behind) {
        // What the server wrote for the previous client is not for us. Peer-written: read once.
        channel.start_ = {ring::load_acquire(channel.page_->left.prod),
                          ring::load_acquire(channel.page_->left.cons),
                          ring::load_acquire(channel.page_->right.prod)};
        if (channel.start_.left_prod - channel.start_.left_cons > channel.left_.size()) {
            sys::throw_errno("map: impossible indices", EPROTO);
        }
        ring::store_release(channel.page_->right.cons, channel.start_.right_cons);
    }
    return channel;
}

namespace {

// Which words of the page are ours and which the peer's, by role.
struct Sides {
    std::uint8_t& own_live;
    std::uint8_t& peer_live;
    std::uint8_t& own_notify;
    std::uint8_t& peer_notify;
    abi::RingIndices& out;
    abi::RingIndices& in;
    std::span<std::byte> out_buffer;
    std::span<std::byte> in_buffer;
};

Sides sides_of(const ChannelMemory& memory) noexcept {
    abi::ControlPage& page = memory.page();
    if (memory.role() == Role::kServer) {
        return {page.srv_live, page.cli_live, page.srv_notify, page.cli_notify,
                page.right,    page.left,     memory.right(),  memory.left()};
    }
    return {page.cli_live, page.srv_live, page.cli_notify, page.srv_notify,
            page.left,     page.right,    memory.left(),   memory.right()};
}

}  // namespace

Channel::Channel(ChannelMemory memory) noexcept
    : memory_(std::move(memory)),
      own_live_(sides_of(memory_).own_live),
      peer_live_(sides_of(memory_).peer_live),
      own_notify_(sides_of(memory_).own_notify),
      peer_notify_(sides_of(memory_).peer_notify),
      producer_(sides_of(memory_).out_buffer, sides_of(memory_).out.prod,
                sides_of(memory_).out.cons),
      consumer_(sides_of(memory_).in_buffer, sides_of(memory_).in.prod, sides_of(memory_).in.cons) {
    if (memory_.role() == Role::kClient) {
        producer_.start_at(memory_.start().left_prod, memory_.start().left_cons);
        consumer_.start_at(memory_.start().right_cons);
    }
}

void Channel::mark_live() noexcept {
    ring::store_release(own_live_, abi::kLive);
    request_notify(abi::kNotifyWrite);
}

PeerState Channel::peer_state() const noexcept {
    switch (ring::load_acquire(peer_live_)) {
        case abi::kGone:
            return PeerState::kGone;
        case abi::kLive:
            return PeerState::kLive;
        case abi::kNoClientYet:
            return role() == Role::kServer ? PeerState::kNone : PeerState::kCorrupt;
        default:
            return PeerState::kCorrupt;
    }
}

}  // namespace xsock::channel

// The default size of a new link's rings. Orders are log2 of a ring's size in bytes. Any thread.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "abi/control_page.h"
#include "channel/channel.h"
#include "hypervisor/hypervisor.h"
#include "sys/error.h"

namespace xsock::channel {

// Uses as many pages as leave 384 free for others, or at most three eighths of what may still be
// granted: with gntalloc's limit of 1024 pages the first link gets 1 MiB each way, two get 256 KiB,
// six 64 KiB, and 19 links fit in all. Rings larger than 1 MiB do not fit libxenvchan's control
// page; smaller ones cost throughput (docs/performance.md).
inline constexpr std::size_t kLeaveFree = 384;
inline constexpr std::size_t pages_for(std::uint16_t order) noexcept {
    return 1 + 2 * ((std::size_t{1} << order) / hypervisor::kPageSize);
}

inline std::uint16_t ring_order_for(std::size_t free_pages) noexcept {
    std::uint16_t order = abi::kMaxByteOrder;
    const std::size_t part = free_pages * 3 / 8;
    const std::size_t most =
        free_pages > kLeaveFree ? std::max(part, free_pages - kLeaveFree) : part;
    while (order > abi::kMinByteOrder && pages_for(order) > most) {
        order -= 2;
    }
    return order;
}

// Grants rings of that size, or of the next smaller one that fits: other programs of this domain
// grant pages too. ENOSPC: not even the smallest fits.
inline ChannelMemory share_what_fits(hypervisor::GrantedMemory& memory, hypervisor::DomId peer,
                                     hypervisor::EventChannelPort port) {
    for (std::uint16_t order = ring_order_for(memory.free_pages());; order -= 2) {
        try {
            return ChannelMemory::share(memory, peer, order, port);
        } catch (const std::system_error& error) {
            if (error.code().value() != ENOSPC || order <= abi::kMinByteOrder) {
                throw;
            }
        }
    }
}

// For a further lane, which is optional: the largest rings that leave kLeaveFree pages for others.
// ENOSPC: only rings smaller than kMinSpareByteOrder would; a stream on a small ring of its own is
// slower than on a large one that it shares.
inline constexpr std::uint16_t kMinSpareByteOrder = 18;
inline ChannelMemory share_what_is_spare(hypervisor::GrantedMemory& memory, hypervisor::DomId peer,
                                         hypervisor::EventChannelPort port) {
    const std::size_t free_pages = memory.free_pages();
    std::uint16_t order = abi::kMaxByteOrder;
    while (order >= kMinSpareByteOrder && pages_for(order) + kLeaveFree > free_pages) {
        order -= 2;
    }
    if (order < kMinSpareByteOrder) {
        sys::throw_errno("share", ENOSPC);
    }
    return ChannelMemory::share(memory, peer, order, port);
}

}  // namespace xsock::channel

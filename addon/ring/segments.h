// A piece of a ring as at most two contiguous parts, ready for recvmsg/sendmsg.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "ring/ordering.h"

namespace xsock::ring {

struct Segments {
    std::array<iovec, 2> parts{};
    std::size_t count = 0;

    [[nodiscard]] std::size_t size() const noexcept { return parts[0].iov_len + parts[1].iov_len; }

    // Copies out `target.size()` bytes (at most size()) from `offset` on, each read once. The copy
    // is private; the peer can change the ring.
    void copy_to(std::span<std::byte> target, std::size_t offset = 0) const noexcept {
        std::size_t done = 0;
        for (std::size_t i = 0; i < count && done < target.size(); ++i) {
            if (offset >= parts[i].iov_len) {
                offset -= parts[i].iov_len;
                continue;
            }
            const std::size_t length = std::min(parts[i].iov_len - offset, target.size() - done);
            copy_once(target.data() + done,
                      static_cast<const std::byte*>(parts[i].iov_base) + offset, length);
            done += length;
            offset = 0;
        }
    }
    void copy_from(std::span<const std::byte> source) const noexcept {
        std::size_t done = 0;
        for (std::size_t i = 0; i < count && done < source.size(); ++i) {
            const std::size_t length = std::min(parts[i].iov_len, source.size() - done);
            std::memcpy(parts[i].iov_base, source.data() + done, length);
            done += length;
        }
    }
};

// The part of a ring buffer (size a power of two) that starts at free-running index `from`.
inline Segments segments(std::span<std::byte> buffer, std::uint32_t from,
                         std::size_t length) noexcept {
    const std::size_t start = from & (buffer.size() - 1);
    const std::size_t first = std::min(length, buffer.size() - start);
    Segments result;
    result.parts[0] = {buffer.data() + start, first};
    result.parts[1] = {buffer.data(), length - first};
    result.count = length == first ? 1 : 2;
    return result;
}

}  // namespace xsock::ring

// The reading end of one ring; mirrors Producer. The peer can change the bytes in the ring at any
// time: parsers copy them out first. One thread (a link's pump, or the relays'); noexcept
// throughout.
#pragma once

#include <cstdint>
#include <span>

#include "ring/ordering.h"
#include "ring/segments.h"

namespace xsock::ring {

class Consumer {
  public:
    Consumer(std::span<std::byte> buffer, std::uint32_t& prod, std::uint32_t& cons) noexcept
        : buffer_(buffer), shared_prod_(prod), shared_cons_(cons) {}
    // For a ring that was used before: reading continues at `start`.
    void start_at(std::uint32_t start) noexcept { cons_ = published_ = prod_ = start; }

    // Reads the peer's write index. False: it is more than a ring ahead, or went backwards
    // (corrupt).
    [[nodiscard]] bool refresh() noexcept {
        const std::uint32_t prod = load_acquire(shared_prod_);
        if (prod - published_ > buffer_.size() || prod - prod_ > buffer_.size()) {
            return false;
        }
        prod_ = prod;
        return true;
    }
    // Bytes to read as of the last refresh().
    [[nodiscard]] std::size_t available() const noexcept { return prod_ - cons_; }
    [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }
    // Bytes from `offset` after the read position; offset + length <= available().
    [[nodiscard]] Segments data(std::size_t offset, std::size_t length) const noexcept {
        return segments(buffer_, cons_ + static_cast<std::uint32_t>(offset), length);
    }
    void advance(std::size_t length) noexcept { cons_ += static_cast<std::uint32_t>(length); }
    // Bytes read but not yet released to the writer.
    [[nodiscard]] std::size_t unpublished() const noexcept { return cons_ - published_; }
    bool publish() noexcept {
        if (published_ == cons_) {
            return false;
        }
        published_ = cons_;
        store_release(shared_cons_, cons_);
        return true;
    }

  private:
    std::span<std::byte> buffer_;
    std::uint32_t& shared_prod_;
    std::uint32_t& shared_cons_;
    std::uint32_t cons_ = 0;
    std::uint32_t published_ = 0;
    std::uint32_t prod_ = 0;  // last valid value of the peer's
};

}  // namespace xsock::ring

// The writing end of one ring. Our index is kept here and only published to the page; the peer's
// index is read once per refresh() and rejected unless a correct peer could have written it. One
// thread (a link's pump, or the relays'); noexcept throughout.
#pragma once

#include <cstdint>
#include <span>

#include "ring/ordering.h"
#include "ring/segments.h"

namespace xsock::ring {

class Producer {
  public:
    // `buffer.size()` is a power of two. `prod` and `cons` are words of the control page.
    Producer(std::span<std::byte> buffer, std::uint32_t& prod, std::uint32_t& cons) noexcept
        : buffer_(buffer), shared_prod_(prod), shared_cons_(cons) {}
    // For a ring that was used before: writing continues at `prod_start`; the peer has read up to
    // `cons_start`. prod_start - cons_start <= size().
    void start_at(std::uint32_t prod_start, std::uint32_t cons_start) noexcept {
        prod_ = published_ = prod_start;
        cons_ = cons_start;
    }

    // Reads the peer's read index. False: it is beyond what was published, or went backwards
    // (corrupt).
    [[nodiscard]] bool refresh() noexcept {
        const std::uint32_t cons = load_acquire(shared_cons_);
        if (cons - cons_ > published_ - cons_) {
            return false;
        }
        cons_ = cons;
        return true;
    }
    // Free bytes as of the last refresh().
    [[nodiscard]] std::size_t space() const noexcept { return buffer_.size() - (prod_ - cons_); }
    [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }
    // The peer's read index at the last refresh(); free-running.
    [[nodiscard]] std::uint32_t acknowledged() const noexcept { return cons_; }
    // Free space from `offset` bytes after the write position; offset + length <= space().
    [[nodiscard]] Segments room(std::size_t offset, std::size_t length) const noexcept {
        return segments(buffer_, prod_ + static_cast<std::uint32_t>(offset), length);
    }
    // Moves the write position; the peer sees nothing before publish().
    void advance(std::size_t length) noexcept { prod_ += static_cast<std::uint32_t>(length); }
    // True if something was made visible that was not before.
    bool publish() noexcept {
        if (published_ == prod_) {
            return false;
        }
        published_ = prod_;
        store_release(shared_prod_, prod_);
        return true;
    }

  private:
    std::span<std::byte> buffer_;
    std::uint32_t& shared_prod_;
    std::uint32_t& shared_cons_;
    std::uint32_t prod_ = 0;
    std::uint32_t published_ = 0;
    std::uint32_t cons_ = 0;  // last valid value of the peer's
};

}  // namespace xsock::ring

// The writing end of one ring. Our index lives here and is only published to the page; the peer's
// index is read once per refresh() and believed only if a correct peer could have written it. Pump
// thread only; noexcept throughout.
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
    // A ring that was used before: writes on at `prod_start`, where the peer has read up to
    // `cons_start`. prod_start - cons_start <= size().
    void start_at(std::uint32_t prod_start, std::uint32_t cons_start) noexcept {
        prod_ = published_ = prod_start;
        cons_ = cons_start;
    }

    // Looks how far the peer has read. False: it claims to have read what was never written
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
    // How far the peer had read at the last refresh(); runs free.
    [[nodiscard]] std::uint32_t acknowledged() const noexcept { return cons_; }
    // Free room from `offset` bytes after the write position; offset + length <= space().
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
    std::uint32_t cons_ = 0;  // last value of the peer's that was believed
};

}  // namespace xsock::ring

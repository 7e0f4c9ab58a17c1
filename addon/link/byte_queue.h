// Bytes that a local program does not take now. First in, first out; bounded by its stream's
// receive window, which the caller enforces. Holds no memory while empty.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <vector>

#include "ring/segments.h"

namespace xsock::link {

class ByteQueue {
  public:
    [[nodiscard]] bool empty() const noexcept { return head_ == bytes_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - head_; }

    // Appends what follows the first `skip` bytes of `source`.
    void append(const ring::Segments& source, std::size_t skip) {
        if (head_ > bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
        const std::size_t length = source.size() - skip;
        const std::size_t old = bytes_.size();
        bytes_.resize(old + length);
        source.copy_to(std::span(bytes_).subspan(old), skip);
    }
    [[nodiscard]] iovec front() noexcept { return {bytes_.data() + head_, size()}; }
    void pop(std::size_t length) noexcept {
        head_ += length;
        if (empty()) {
            clear();
        }
    }
    void clear() noexcept {
        std::vector<std::byte>().swap(bytes_);
        head_ = 0;
    }

  private:
    std::vector<std::byte> bytes_;
    std::size_t head_ = 0;
};

}  // namespace xsock::link

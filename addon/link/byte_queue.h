// Bytes that a local program has not taken yet. First in, first out; bounded by the stream's
// receive window, which the caller enforces. Uses no memory while empty. Pump thread only.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "ring/segments.h"

namespace xsock::link {

class ByteQueue {
  public:
    [[nodiscard]] bool empty() const noexcept { return waiting_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept {
        return empty() ? 0 : waiting_->bytes.size() - waiting_->head;
    }

    // Appends what follows the first `skip` bytes of `source`.
    void append(const ring::Segments& source, std::size_t skip) {
        if (source.size() == skip) {
            return;
        }
        if (empty()) {
            waiting_ = std::make_unique<Waiting>();
        }
        std::vector<std::byte>& bytes = waiting_->bytes;
        if (waiting_->head > bytes.size() / 2) {
            bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(waiting_->head));
            waiting_->head = 0;
        }
        const std::size_t old = bytes.size();
        bytes.resize(old + source.size() - skip);
        source.copy_to(std::span(bytes).subspan(old), skip);
    }
    // The queue must not be empty.
    [[nodiscard]] iovec front() noexcept {
        return {waiting_->bytes.data() + waiting_->head, size()};
    }
    void pop(std::size_t length) noexcept {
        waiting_->head += length;
        if (size() == 0) {
            clear();
        }
    }
    void clear() noexcept { waiting_.reset(); }

  private:
    struct Waiting {
        std::vector<std::byte> bytes;
        std::size_t head = 0;  // already sent
    };
    std::unique_ptr<Waiting> waiting_;  // null while empty
};

}  // namespace xsock::link

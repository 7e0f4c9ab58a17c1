// The memory that all streams together may make us hold: the sum of their receive windows, in
// bytes. Pump thread only.
#pragma once

#include <cstddef>

namespace xsock::link {

class Budget {
  public:
    explicit Budget(std::size_t limit) noexcept : limit_(limit) {}

    [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
        if (bytes > limit_ || committed_ > limit_ - bytes) {
            return false;
        }
        committed_ += bytes;
        return true;
    }
    void release(std::size_t bytes) noexcept { committed_ -= bytes; }
    // A lower limit takes nothing back; it only keeps new windows from being opened.
    void set_limit(std::size_t limit) noexcept { limit_ = limit; }
    [[nodiscard]] std::size_t committed() const noexcept { return committed_; }

  private:
    std::size_t limit_;
    std::size_t committed_ = 0;
};

}  // namespace xsock::link

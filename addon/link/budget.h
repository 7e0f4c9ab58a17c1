// The limit on memory for received bytes: the sum of all streams' receive windows, in bytes. Any
// thread: the pumps of a daemon share one.
#pragma once

#include <atomic>
#include <cstddef>

namespace xsock::link {

class Budget {
  public:
    explicit Budget(std::size_t limit) noexcept : limit_(limit) {}

    [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
        const std::size_t limit = limit_.load(std::memory_order_relaxed);
        std::size_t committed = committed_.load(std::memory_order_relaxed);
        do {
            if (bytes > limit || committed > limit - bytes) {
                return false;
            }
        } while (!committed_.compare_exchange_weak(committed, committed + bytes,
                                                   std::memory_order_relaxed));
        return true;
    }
    void release(std::size_t bytes) noexcept {
        committed_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    // A lower limit revokes nothing; it only prevents new reservations.
    void set_limit(std::size_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t committed() const noexcept {
        return committed_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::size_t> limit_;
    std::atomic<std::size_t> committed_{0};
};

}  // namespace xsock::link

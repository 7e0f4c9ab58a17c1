// Flow control of one end of a stream: what may be sent, what may come, and how the window grows.
// Knows no socket, thread or ring; memory is granted by the caller. One thread.
//
// Receive window, in bytes: what the peer may still send + what waits for the local program + what
// has been delivered and not returned as credit yet == window().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace xsock::stream {

// A new stream starts with a receive window of this many bytes, which doubles as long as the local
// program keeps up, so that idle and short-lived streams reserve little of the budget.
inline constexpr std::uint32_t kInitialWindow = 32 * 1024;

class Credit {
  public:
    // No window: a stream that is refused at once.
    Credit() = default;
    // The caller has reserved kInitialWindow. `peer_window`: what the peer grants to each stream.
    explicit Credit(std::uint32_t peer_window) noexcept
        : sendable_(peer_window), receivable_(kInitialWindow), window_(kInitialWindow) {}

    // Bytes that may be sent.
    [[nodiscard]] std::uint32_t sendable() const noexcept { return sendable_; }
    void spend(std::uint32_t bytes) noexcept { sendable_ -= bytes; }
    // The peer grants more; `bytes` is peer-controlled. False: the sum overflows, a fault.
    [[nodiscard]] bool add(std::uint32_t bytes) noexcept {
        if (sendable_ + bytes < bytes) {
            return false;
        }
        sendable_ += bytes;
        return true;
    }

    // DATA came; `bytes` is peer-controlled. False: more than was granted, a fault.
    [[nodiscard]] bool receive(std::size_t bytes) noexcept {
        if (bytes > receivable_) {
            return false;
        }
        receivable_ -= static_cast<std::uint32_t>(bytes);
        return true;
    }
    // The local program has taken `bytes`; `backlog`: more wait for it. Credit is due after half a
    // window; the window grows while the program keeps up, up to `largest` bytes and as far as
    // `reserve(bytes)`, which takes memory from the budget, answers true.
    template <typename Reserve>
    void deliver(std::size_t bytes, bool backlog, std::uint32_t largest, Reserve&& reserve) {
        delivered_ += static_cast<std::uint32_t>(bytes);
        lagging_ = lagging_ || backlog;
        if (delivered_ < window_ / 2) {
            return;
        }
        if (!lagging_ && window_ < largest) {
            const std::uint32_t growth = std::min(window_, largest - window_);
            if (reserve(growth)) {
                window_ += growth;
                delivered_ += growth;
            }
        }
        lagging_ = backlog;
        due_ = true;
    }
    // Whether the peer should be told.
    [[nodiscard]] bool due() const noexcept { return due_; }
    // For the frame that tells it: the bytes that the peer may send in addition; 0 if none is due.
    [[nodiscard]] std::uint32_t take() noexcept {
        if (!due_) {
            return 0;
        }
        due_ = false;
        receivable_ += delivered_;
        return std::exchange(delivered_, 0);
    }

    // Bytes of the budget that the stream has reserved.
    [[nodiscard]] std::uint32_t window() const noexcept { return window_; }
    // The stream is over: returns what the caller is to give back to the budget.
    [[nodiscard]] std::uint32_t close() noexcept {
        due_ = false;
        return std::exchange(window_, 0);
    }

  private:
    std::uint32_t sendable_ = 0;
    std::uint32_t receivable_ = 0;
    std::uint32_t delivered_ = 0;  // since the last credit
    std::uint32_t window_ = 0;
    bool due_ = false;
    bool lagging_ = false;  // since the last credit, the program was slower than the peer
};

}  // namespace xsock::stream

// Whether a pump with nothing to do looks again at once or sleeps. A wake-up costs more than most
// waits: 4 us on the same CPU, 20 us and more on one that was halted, and each side of a link has
// its own. So it looks on for about as long as the last waits took, as KVM polls before it halts a
// virtual CPU (Linux, Documentation/virt/kvm/halt-polling.rst): twice as long after a wait that a
// longer look would have met, not at all after one that no look could meet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sys/clock.h"

namespace xsock::pump {

// Before a look others have a turn on the pump's CPU, but the first look of a wait may be at once:
// while the pump worked, the program that it woke may have run and said the next thing. Whether it
// has is a matter of who shares the CPU, so that look is tried for as long as it often pays.
enum class Idle : std::uint8_t { kPoll, kYieldAndPoll, kSleep };

class Poller {
  public:
    // `longest` is how long it looks at most; 0: never.
    explicit Poller(sys::Duration longest) noexcept : longest_(longest) {}

    void set_longest(sys::Duration longest) noexcept {
        longest_ = longest;
        window_ = std::min(window_, longest);
    }
    // Something was there to do.
    void found(sys::TimePoint now) noexcept {
        if (idle_since_ == sys::kNever) {
            return;
        }
        const sys::Duration wait = now - idle_since_;
        idle_since_ = sys::kNever;
        if (std::exchange(trying_, false)) {
            trust_ = std::min(trust_ + kGain, kMaxTrust);
        }
        if (wait > longest_) {
            window_ = sys::Duration::zero();
        } else if (wait > window_) {
            window_ = std::min(std::max(window_ * 2, kFirst), longest_);
        }
    }
    // Nothing is there to do: what now? `waits_for_peers`: all that was done was to pass bytes on
    // to them, so no program has been woken.
    [[nodiscard]] Idle idle(sys::TimePoint now, bool waits_for_peers) noexcept {
        const bool first = idle_since_ == sys::kNever;
        if (first) {
            idle_since_ = now;
        }
        if (now - idle_since_ >= window_) {
            return Idle::kSleep;
        }
        if (std::exchange(trying_, false)) {
            trust_ = std::max(trust_ - 1, 0);
        } else if (first && !waits_for_peers && (trust_ > 0 || ++untried_ >= kTryEvery)) {
            untried_ = 0;
            trying_ = true;
            return Idle::kPoll;
        }
        return Idle::kYieldAndPoll;
    }

  private:
    static constexpr sys::Duration kFirst = std::chrono::microseconds(25);

    sys::Duration longest_;
    sys::Duration window_ = sys::Duration::zero();
    sys::TimePoint idle_since_ = sys::kNever;

    static constexpr int kGain = 2;
    static constexpr int kMaxTrust = 16;
    static constexpr int kTryEvery = 32;
    bool trying_ = false;  // the first look of this wait is at once
    int trust_ = 0;
    int untried_ = 0;  // waits since such a look was tried
};

}  // namespace xsock::pump

// Whether a pump with nothing to do polls again or sleeps. A wake-up costs more than most waits: 4
// us on the same CPU, 20 us and more on one that was halted, and each side of a link pays it. So
// the pump polls for about as long as the last waits took, as KVM polls before it halts a virtual
// CPU (Linux, Documentation/virt/kvm/halt-polling.rst): the window doubles after a wait that a
// longer window would have covered, and becomes 0 after one longer than any window may be. Pump
// thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "sys/clock.h"

namespace xsock::pump {

// Before each poll the pump yields its CPU, except that the first poll of a wait may be immediate:
// the program that the pump woke may have run on another CPU and answered already. Whether that
// happens depends on who shares the pump's CPU, so the immediate poll is used while it often
// succeeds, and tried now and then otherwise.
enum class Idle : std::uint8_t { kPoll, kYieldAndPoll, kSleep };

class Poller {
  public:
    // `longest` is the upper bound of the polling window; 0: never poll.
    explicit Poller(sys::Duration longest) noexcept : longest_(longest) {}

    void set_longest(sys::Duration longest) noexcept {
        longest_ = longest;
        window_ = std::min(window_, longest);
    }
    // There was work: ends a wait, if there was one.
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
    // There is no work: what to do next. `waits_for_peers`: the last work only passed bytes on to
    // peers, so no local program has been woken.
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
    bool trying_ = false;  // the first poll of this wait was immediate
    int trust_ = 0;
    int untried_ = 0;  // waits since an immediate poll was last tried
};

}  // namespace xsock::pump

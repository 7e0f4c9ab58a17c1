// Monotonic time.
#pragma once

#include <chrono>

namespace xsock::sys {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;
using std::chrono::milliseconds;

inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace xsock::sys

// Scheduling attributes of a thread.
#pragma once

#include <chrono>

namespace xsock::sys {

// Requests time slices of about this length (0.1 to 100 ms) for the calling thread: with short
// slices it runs again soon after a thread that it woke preempted it (EEVDF; sched(7),
// sched_setattr(2)). Its share of the CPU stays the same. Needs no privilege; kernels before 6.12
// ignore it.
void ask_for_slice(std::chrono::nanoseconds slice) noexcept;

}  // namespace xsock::sys

// How the kernel's scheduler treats a thread.
#pragma once

#include <chrono>

namespace xsock::sys {

// Asks for time in slices of about this length (0.1 to 100 ms) for the calling thread: a thread
// with short slices comes back soon after somebody that it woke took its CPU (EEVDF; sched(7),
// sched_setattr(2)). Its share stays the same. Takes no privilege; kernels before 6.12 ignore it.
void ask_for_slice(std::chrono::nanoseconds slice) noexcept;

}  // namespace xsock::sys

#include "sys/scheduling.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace xsock::sys {

namespace {

// struct sched_attr of linux/sched/types.h, whose struct sched_param clashes with that of sched.h.
struct SchedulingAttributes {
    std::uint32_t size = sizeof(SchedulingAttributes);
    std::uint32_t policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;  // SCHED_OTHER: the slice, in ns
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
    std::uint32_t utilization_min = 0;
    std::uint32_t utilization_max = 0;
};
static_assert(sizeof(SchedulingAttributes) == 56);

}  // namespace

void ask_for_slice(std::chrono::nanoseconds slice) noexcept {
    SchedulingAttributes attributes;
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER) {
        return;  // an operator chose another scheduling class: keep it
    }
    attributes.size = sizeof attributes;
    attributes.runtime = static_cast<std::uint64_t>(slice.count());
    // Refused or unsupported: the thread keeps the default slice.
    static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));
}

}  // namespace xsock::sys

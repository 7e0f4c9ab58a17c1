// Hypercalls of the loopback hypervisor: one datagram (SOCK_SEQPACKET) each way, native byte order,
// since both ends run on one machine from one build. Whoever may connect to a domain's socket acts
// as that domain; its file mode is the only guard, as /dev/xen/*'s is on Xen.
// The machine validates everything in a Request; a datagram that does not have exactly the form
// below costs its sender the connection, and affects nobody else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xsock::hypervisor::loopback {

enum class Operation : std::uint32_t {
    kShare = 1,    // peer, count, access, notify -> handle, references; fd: pages, read-write
    kUnshare = 2,  // handle: runs the notify, ends the grants
    kMap = 3,      // peer, count, access, notify, references -> handle, runs; fd per run
    kUnmap = 4,    // handle: runs the notify
    kAllocateUnbound = 5,  // peer -> port; fd: our end
    kBindInterdomain = 6,  // peer, port of the peer -> port; fd: our end
    kClosePort = 7,        // port
    kFreePages = 8,        // -> how many pages may still be shared
};

inline constexpr std::uint32_t kNoNotify = 0xffffffff;
inline constexpr std::uint32_t kReadOnly = 0;
inline constexpr std::uint32_t kReadWrite = 1;

// Pages of one share or map call. The largest ring takes 256.
inline constexpr std::size_t kMaxPages = 1024;
// Passed descriptors in one answer (SCM_MAX_FD of the kernel is 253).
inline constexpr std::size_t kMaxRuns = 253;

struct Request {
    std::uint32_t operation = 0;
    std::uint32_t peer = 0;
    std::uint32_t count = 0;
    std::uint32_t access = kReadOnly;
    std::uint32_t handle = 0;
    std::uint32_t port = 0;
    std::uint32_t notify_offset = kNoNotify;
    std::uint32_t notify_port = 0;
    // kMap only: `count` grant references of 32 bits follow.
};
static_assert(sizeof(Request) == 32);

struct Response {
    std::uint32_t error = 0;  // errno, 0 for success
    std::uint32_t value = 0;  // handle, port or number of pages
    std::uint32_t count = 0;  // references (kShare) or runs (kMap) that follow
    std::uint32_t reserved = 0;
};
static_assert(sizeof(Response) == 16);

// Consecutive pages of one file that answer consecutive references of a kMap.
struct Run {
    std::uint32_t first_page = 0;
    std::uint32_t pages = 0;
};
static_assert(sizeof(Run) == 8);

inline constexpr std::size_t kMaxRequest = sizeof(Request) + kMaxPages * sizeof(std::uint32_t);
inline constexpr std::size_t kMaxResponse = sizeof(Response) + kMaxPages * sizeof(Run);

}  // namespace xsock::hypervisor::loopback

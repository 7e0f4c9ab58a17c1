// An epoll instance. add() throws if there can be no further watch (out of memory, or of
// fs.epoll.max_user_watches); callers on a pump's or the relays' thread catch that. modify() only
// fails for a descriptor that was not added; wait() and remove() do not fail.
#pragma once

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <span>

#include "sys/error.h"
#include "sys/unique_fd.h"

namespace xsock::sys {

class Epoll {
  public:
    Epoll() : fd_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    void add(int fd, std::uint32_t events, std::uint64_t tag) {
        control(EPOLL_CTL_ADD, fd, events, tag);
    }
    void modify(int fd, std::uint32_t events, std::uint64_t tag) {
        control(EPOLL_CTL_MOD, fd, events, tag);
    }
    void remove(int fd) noexcept { ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

    // Number of events; 0 on timeout and when a signal interrupted the wait.
    std::size_t wait(std::span<epoll_event> events, int timeout_ms) {
        const int count =
            ::epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
        if (count < 0) {
            if (errno == EINTR) {
                return 0;
            }
            throw_errno("epoll_wait");
        }
        return static_cast<std::size_t>(count);
    }

  private:
    void control(int operation, int fd, std::uint32_t events, std::uint64_t tag) {
        epoll_event event{};
        event.events = events;
        event.data.u64 = tag;
        check(::epoll_ctl(fd_.get(), operation, fd, &event), "epoll_ctl");
    }

    UniqueFd fd_;
};

}  // namespace xsock::sys

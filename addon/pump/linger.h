// TCP sockets that are being closed gently: what still comes is read and dropped until the other
// end closes too or time is up; closing at once would send an RST that may overtake bytes on their
// way. Pump thread only.
#pragma once

#include <list>
#include <memory>

#include "sys/clock.h"
#include "sys/epoll.h"
#include "sys/pollable.h"
#include "sys/unique_fd.h"

namespace xsock::pump {

class LingerSet {
  public:
    explicit LingerSet(sys::Epoll& epoll) noexcept : epoll_(epoll) {}

    void add(sys::UniqueFd fd, sys::TimePoint until);
    [[nodiscard]] sys::TimePoint deadline() const noexcept;
    // Closes what has ended or timed out. Called at the end of a turn.
    void sweep(sys::TimePoint now) noexcept;

  private:
    struct Socket final : sys::Pollable {
        void on_ready(std::uint32_t events) override;
        sys::UniqueFd fd;
        sys::TimePoint until;
        bool over = false;
    };

    sys::Epoll& epoll_;
    std::list<Socket> sockets_;
};

}  // namespace xsock::pump

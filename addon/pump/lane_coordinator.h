// What the pumps of one daemon share, and what one may ask of the others. A pump calls
// LaneCoordinator on its own thread; no call waits for another pump.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "link/budget.h"
#include "link/events.h"
#include "link/label.h"
#include "link/lanes.h"
#include "pump/event_queue.h"
#include "pump/releaser.h"
#include "sys/socket.h"
#include "sys/unique_fd.h"

namespace xsock::pump {

struct Shared {
    Shared(std::size_t memory_total, std::function<void()> wake)
        : budget(memory_total), events(std::move(wake)) {}
    link::Budget budget;
    EventQueue events;
    Releaser releaser;  // stopped before the pumps are destroyed
    std::atomic<link::LinkId> next_link{1};
    std::atomic<link::ListenerId> next_listener{1};
};

// A program that has connected to a listener.
struct Accepted {
    sys::UniqueFd socket;
    sys::SocketKind kind;
    link::Label label;
    std::uint16_t service_port;  // 0: by the label's name
};

class LaneCoordinator {
  public:
    virtual ~LaneCoordinator() = default;
    // A lane went down: the end of the first one closes the others, a failure of another one
    // closes the first.
    virtual void lane_down(const link::Lanes& lanes, link::LinkId link, unsigned lane,
                           link::DownReason reason, const std::string& detail) noexcept = 0;
    // A lane other than the first has released its pages.
    virtual void lane_released(const link::Lanes& lanes, link::LinkId link) noexcept = 0;
    // The last lane of a link has released its pages.
    virtual void link_released() noexcept = 0;
    // Opens a stream on another lane, for a program that connected to the first lane's listener.
    virtual void hand_over(const link::Lanes& lanes, link::LinkId link, unsigned lane,
                           Accepted accepted) noexcept = 0;
};

}  // namespace xsock::pump

// The doorbells of one hypervisor in the pump's epoll: finds the link that a port belongs to, and
// keeps the port of a peer that sends notifications without making progress masked for a while
// (XSA-332, XSA-391). Pump thread only.
#pragma once

#include <functional>
#include <unordered_map>

#include "hypervisor/hypervisor.h"
#include "link/link.h"
#include "sys/clock.h"
#include "sys/pollable.h"

namespace xsock::pump {

class DoorbellSource final : public sys::Pollable {
  public:
    using OnNotified = std::function<void(link::Link&)>;
    using OnGone = std::function<void(const std::string& detail)>;

    DoorbellSource(hypervisor::Doorbells& doorbells, OnNotified on_notified, OnGone on_gone)
        : doorbells_(doorbells),
          on_notified_(std::move(on_notified)),
          on_gone_(std::move(on_gone)) {}

    [[nodiscard]] hypervisor::Doorbells& doorbells() const noexcept { return doorbells_; }
    void on_ready(std::uint32_t events) override;
    // The port may have been notified, and masked, between its creation and now: schedules the link
    // once.
    void add(link::Link& link);
    void remove(const link::Link& link) { ports_.erase(link.port()); }
    // The link has had its turn: unmasks its port, now or, without progress, later.
    void unmask(const link::Link& link, bool progress, sys::TimePoint now);
    // Unmasks ports whose time is up.
    void tick(sys::TimePoint now);
    [[nodiscard]] sys::TimePoint deadline() const noexcept;

  private:
    struct Port {
        link::Link* link = nullptr;
        bool masked = false;
        int idle_notifications = 0;  // in a row, with nothing to do
        sys::TimePoint unmask_at = sys::kNever;
    };

    hypervisor::Doorbells& doorbells_;
    OnNotified on_notified_;
    OnGone on_gone_;
    std::unordered_map<hypervisor::EventChannelPort, Port> ports_;
};

}  // namespace xsock::pump

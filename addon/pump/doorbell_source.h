// The doorbells of one hypervisor in the pump's epoll: finds the link that a port belongs to, and
// keeps a peer that rings without making progress masked for a while (XSA-332, XSA-391). Pump
// thread only.
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
    using OnRing = std::function<void(link::Link&)>;
    using OnGone = std::function<void(const std::string& detail)>;

    DoorbellSource(hypervisor::Doorbells& doorbells, OnRing on_ring, OnGone on_gone)
        : doorbells_(doorbells), on_ring_(std::move(on_ring)), on_gone_(std::move(on_gone)) {}

    [[nodiscard]] hypervisor::Doorbells& doorbells() const noexcept { return doorbells_; }
    void on_ready(std::uint32_t events) override;
    // A port may have rung, and been masked, between its creation and now: looks at the link once.
    void add(link::Link& link);
    void remove(const link::Link& link) { bells_.erase(link.port()); }
    // The link has had its turn: let its port ring again, now or later.
    void unmask(const link::Link& link, bool progress, sys::TimePoint now);
    // Unmasks ports whose time is up.
    void tick(sys::TimePoint now);
    [[nodiscard]] sys::TimePoint deadline() const noexcept;

  private:
    struct Bell {
        link::Link* link = nullptr;
        bool masked = false;
        int idle_rings = 0;  // in a row, without anything to do
        sys::TimePoint unmask_at = sys::kNever;
    };

    hypervisor::Doorbells& doorbells_;
    OnRing on_ring_;
    OnGone on_gone_;
    std::unordered_map<hypervisor::EventChannelPort, Bell> bells_;
};

}  // namespace xsock::pump

#include "pump/doorbell_source.h"

#include <algorithm>
#include <array>
#include <system_error>

namespace xsock::pump {

namespace {

// A ring with nothing to do is normal now and then (the work was done before the ring was looked
// at); this many in a row are not.
constexpr int kIdleRings = 256;
constexpr sys::Duration kQuietTime = sys::milliseconds(10);

}  // namespace

void DoorbellSource::on_ready(std::uint32_t) {
    std::array<hypervisor::EventChannelPort, 64> ports;
    std::size_t count = 0;
    try {
        count = doorbells_.drain(ports);
    } catch (const std::system_error& error) {
        on_gone_(error.what());
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto it = bells_.find(ports[i]);
        if (it == bells_.end()) {
            continue;  // closed since it rang, or not added yet
        }
        it->second.masked = true;
        it->second.link->note_doorbell();
        on_ring_(*it->second.link);
    }
}

void DoorbellSource::add(link::Link& link) {
    bells_[link.port()] = Bell{&link};
    doorbells_.unmask(link.port());
    on_ring_(link);
}

void DoorbellSource::unmask(const link::Link& link, bool progress, sys::TimePoint now) {
    const auto it = bells_.find(link.port());
    if (it == bells_.end()) {
        return;
    }
    Bell& bell = it->second;
    if (progress) {
        bell.idle_rings = 0;
    } else if (bell.masked && bell.unmask_at == sys::kNever && ++bell.idle_rings >= kIdleRings) {
        bell.unmask_at = now + kQuietTime;
    }
    if (bell.masked && bell.unmask_at == sys::kNever) {
        bell.masked = false;
        doorbells_.unmask(link.port());
    }
}

void DoorbellSource::tick(sys::TimePoint now) {
    for (auto& [port, bell] : bells_) {
        if (now >= bell.unmask_at) {
            bell.unmask_at = sys::kNever;
            bell.idle_rings = 0;
            bell.masked = false;
            doorbells_.unmask(port);
            on_ring_(*bell.link);
        }
    }
}

sys::TimePoint DoorbellSource::deadline() const noexcept {
    sys::TimePoint next = sys::kNever;
    for (const auto& [port, bell] : bells_) {
        next = std::min(next, bell.unmask_at);
    }
    return next;
}

}  // namespace xsock::pump

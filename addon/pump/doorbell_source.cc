#include "pump/doorbell_source.h"

#include <algorithm>
#include <array>
#include <system_error>

namespace xsock::pump {

namespace {

// A spurious notification is normal now and then (the work was done before it was seen); this many
// in a row are not.
constexpr int kMaxIdleNotifications = 256;
constexpr sys::Duration kMaskTime = sys::milliseconds(10);

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
        const auto it = ports_.find(ports[i]);
        if (it == ports_.end()) {
            continue;  // closed since it was notified, or not added yet
        }
        it->second.masked = true;
        it->second.link->note_doorbell();
        on_notified_(*it->second.link);
    }
}

void DoorbellSource::add(link::Link& link) {
    ports_[link.port()] = Port{&link};
    doorbells_.unmask(link.port());
    on_notified_(link);
}

void DoorbellSource::unmask(const link::Link& link, bool progress, sys::TimePoint now) {
    const auto it = ports_.find(link.port());
    if (it == ports_.end()) {
        return;
    }
    Port& state = it->second;
    if (progress) {
        state.idle_notifications = 0;
    } else if (state.masked && state.unmask_at == sys::kNever &&
               ++state.idle_notifications >= kMaxIdleNotifications) {
        state.unmask_at = now + kMaskTime;
    }
    if (state.masked && state.unmask_at == sys::kNever) {
        state.masked = false;
        doorbells_.unmask(link.port());
    }
}

void DoorbellSource::tick(sys::TimePoint now) {
    for (auto& [port, state] : ports_) {
        if (now >= state.unmask_at) {
            state.unmask_at = sys::kNever;
            state.idle_notifications = 0;
            state.masked = false;
            doorbells_.unmask(port);
            on_notified_(*state.link);
        }
    }
}

sys::TimePoint DoorbellSource::deadline() const noexcept {
    sys::TimePoint next = sys::kNever;
    for (const auto& [port, state] : ports_) {
        next = std::min(next, state.unmask_at);
    }
    return next;
}

}  // namespace xsock::pump

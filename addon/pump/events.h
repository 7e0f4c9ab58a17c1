// What the pumps report to the control plane: what their links report, and what happens to
// listeners, to the hypervisor and to the pumps themselves.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "link/events.h"
#include "schema/schema.h"

namespace xsock::pump {

// The pages and the port of a link that went down have been released.
struct LinkReleased {
    link::LinkId link;
};
constexpr auto describe(schema::Of<LinkReleased>) {
    return schema::kind("link-released", schema::field("link", &LinkReleased::link));
}
// Accepting failed; it is tried again after a pause.
struct ListenerError {
    link::ListenerId listener;
    std::string detail;
};
constexpr auto describe(schema::Of<ListenerError>) {
    return schema::kind("listener-error", schema::field("listener", &ListenerError::listener),
                        schema::field("detail", &ListenerError::detail));
}
// Events of streams that found the queue full.
struct EventsDropped {
    std::uint64_t count;
};
constexpr auto describe(schema::Of<EventsDropped>) {
    return schema::kind("events-dropped", schema::field("count", &EventsDropped::count));
}
// Ports of ended links are unused, but not closed before it is known that the domain was not
// restored: to be named to domain_checked(). Each is reported once.
struct ClosesDeferred {
    std::vector<hypervisor::EventChannelPort> ports;
};
constexpr auto describe(schema::Of<ClosesDeferred>) {
    return schema::kind("closes-deferred", schema::field("ports", &ClosesDeferred::ports));
}
struct HypervisorGone {
    std::string detail;
};
constexpr auto describe(schema::Of<HypervisorGone>) {
    return schema::kind("hypervisor-gone", schema::field("detail", &HypervisorGone::detail));
}
// All pumps have answered Pumps::ping().
struct Alive {
    std::uint32_t ping;
};
constexpr auto describe(schema::Of<Alive>) {
    return schema::kind("alive", schema::field("ping", &Alive::ping));
}

using Event =
    std::variant<link::LinkUp, link::LinkDown, LinkReleased, link::LinkDraining, link::LaneOffered,
                 link::Services, link::StreamOpened, link::StreamRefused, link::StreamClosed,
                 ListenerError, EventsDropped, ClosesDeferred, HypervisorGone, Alive>;

// The link that an event is about; 0: none.
template <typename... Alternatives>
link::LinkId link_of(const std::variant<Alternatives...>& event) noexcept {
    return std::visit(
        [](const auto& value) -> link::LinkId {
            if constexpr (requires { value.link; }) {
                return value.link;
            } else {
                return 0;
            }
        },
        event);
}

// What a link reports, as one of all events.
inline Event from_link(link::Event&& event) {
    return std::visit([](auto& value) { return Event(std::move(value)); }, event);
}

}  // namespace xsock::pump

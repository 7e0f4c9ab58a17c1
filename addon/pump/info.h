// What commands return: offers, and what is reported: of each stream, and of each link. Values,
// written on the pumps' threads; how they appear in JavaScript stands beside each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "link/counters.h"
#include "link/events.h"
#include "link/service_counters.h"
#include "schema/schema.h"
#include "sys/clock.h"

namespace xsock::pump {

// A link, or a lane, over pages that we granted: what the peer has to know.
struct Offer {
    link::LinkId link;
    hypervisor::GrantRef ring_ref;
    hypervisor::EventChannelPort port;
};
constexpr auto describe(schema::Of<Offer>) {
    return schema::object(schema::field("link", &Offer::link),
                          schema::field("ringRef", &Offer::ring_ref),
                          schema::field("eventChannel", &Offer::port));
}

enum class StreamState : std::uint8_t {
    kConnecting,
    kOpen,
    kHalfClosedLocal,
    kHalfClosedPeer,
    kClosing,
};
constexpr auto describe(schema::Of<StreamState>) {
    return schema::names<StreamState>("connecting", "open", "half-closed-local", "half-closed-peer",
                                      "closing");
}

struct StreamInfo {
    link::LinkId link;
    link::StreamId stream;
    link::Direction direction;
    std::string service;
    StreamState state;
    std::uint64_t bytes_sent;
    std::uint64_t bytes_received;
    std::size_t buffered;
    sys::Duration age;
};
constexpr auto describe(schema::Of<StreamInfo>) {
    return schema::object(
        schema::field("link", &StreamInfo::link), schema::field("stream", &StreamInfo::stream),
        schema::field("direction", &StreamInfo::direction),
        schema::field("service", &StreamInfo::service).as(schema::Form::kAnyBytes),
        schema::field("state", &StreamInfo::state),
        schema::field("bytesSent", &StreamInfo::bytes_sent),
        schema::field("bytesReceived", &StreamInfo::bytes_received),
        schema::field("buffered", &StreamInfo::buffered), schema::field("age", &StreamInfo::age));
}

// Of one lane, or of several, added up by schema::add().
struct LinkInfo {
    link::LinkId link;
    unsigned lanes;  // that are up
    std::size_t streams;
    unsigned pump;  // that runs the first lane
    link::LinkCounters counters;
    std::vector<link::ServiceCounters> services;  // streams that are still open included
};
constexpr auto describe(schema::Of<LinkInfo>) {
    return schema::object(
        schema::field("link", &LinkInfo::link).summed(schema::Sum::kFirst),
        schema::field("lanes", &LinkInfo::lanes), schema::field("streams", &LinkInfo::streams),
        schema::field("pump", &LinkInfo::pump).summed(schema::Sum::kFirst),
        schema::inlined(&LinkInfo::counters), schema::field("services", &LinkInfo::services));
}

}  // namespace xsock::pump

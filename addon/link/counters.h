// What a link has counted since it was created; a new counter is a member and its line in
// describe(). Pump thread only.
#pragma once

#include <cstdint>

#include "schema/schema.h"

namespace xsock::link {

struct LinkCounters {
    std::uint64_t streams_opened = 0;
    std::uint64_t streams_refused = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t frames_received = 0;
    std::uint64_t stale_frames = 0;  // for streams that had ended already
    std::uint64_t fd_passing_resets = 0;
    std::uint64_t doorbells_sent = 0;
    std::uint64_t doorbells_received = 0;
    std::uint64_t round_trip_us = 0;  // of the last PING
};
constexpr auto describe(schema::Of<LinkCounters>) {
    return schema::object(
        schema::field("streamsOpened", &LinkCounters::streams_opened),
        schema::field("streamsRefused", &LinkCounters::streams_refused),
        schema::field("bytesSent", &LinkCounters::bytes_sent),
        schema::field("bytesReceived", &LinkCounters::bytes_received),
        schema::field("framesSent", &LinkCounters::frames_sent),
        schema::field("framesReceived", &LinkCounters::frames_received),
        schema::field("staleFrames", &LinkCounters::stale_frames),
        schema::field("fdPassingResets", &LinkCounters::fd_passing_resets),
        schema::field("doorbellsSent", &LinkCounters::doorbells_sent),
        schema::field("doorbellsReceived", &LinkCounters::doorbells_received),
        schema::field("roundTrip", &LinkCounters::round_trip_us).summed(schema::Sum::kLargest));
}

}  // namespace xsock::link

// What a link reports. Plain values; beside each stands how it is written in JavaScript (schema.h).
// The events of the pumps themselves are in pump/events.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "schema/schema.h"

namespace xsock::link {

using LinkId = std::uint32_t;
using ListenerId = std::uint32_t;
using StreamId = std::uint32_t;

enum class Direction : std::uint8_t { kOutgoing, kIncoming };
constexpr auto describe(schema::Of<Direction>) {
    return schema::names<Direction>("outgoing", "incoming");
}

enum class DownReason : std::uint8_t {
    kClosed,
    kPeerGone,
    kGoodbye,
    kSilent,
    kCorrupt,
    kVersion,
    kIdentity,
};
constexpr auto describe(schema::Of<DownReason>) {
    return schema::names<DownReason>("closed", "peer-gone", "goodbye", "silent", "corrupt",
                                     "version", "identity");
}

enum class EndReason : std::uint8_t {
    kClosed,
    kLocalReset,
    kPeerReset,
    kFdPassing,
    kLinkDown,
    kTerminated,
};
constexpr auto describe(schema::Of<EndReason>) {
    return schema::names<EndReason>("closed", "local-reset", "peer-reset", "fd-passing",
                                    "link-down", "terminated");
}

enum class Refusal : std::uint8_t {
    kNoSuchService,
    kDenied,
    kTargetUnavailable,
    kTooManyStreams,
    kShuttingDown,
    kLinkDown,
};
constexpr auto describe(schema::Of<Refusal>) {
    return schema::names<Refusal>("no-such-service", "denied", "target-unavailable",
                                  "too-many-streams", "shutting-down", "link-down");
}

struct LinkUp {
    LinkId link;
    std::uint16_t version;
    std::uint64_t features;  // negotiated: abi/features.h
    std::array<std::uint8_t, 16> instance;
    unsigned lanes_to_offer;  // further lanes that both sides support; 0 if the peer offers them
};
constexpr auto describe(schema::Of<LinkUp>) {
    return schema::kind("link-up", schema::field("link", &LinkUp::link),
                        schema::field("version", &LinkUp::version),
                        schema::field("features", &LinkUp::features),
                        schema::field("instance", &LinkUp::instance).as(schema::Form::kHex),
                        schema::field("lanesToOffer", &LinkUp::lanes_to_offer));
}
// The peer has granted a further lane; all fields but the number are peer-controlled.
struct LaneOffered {
    LinkId link;
    unsigned lane;
    std::uint32_t ring_ref;
    std::uint32_t port;
};
constexpr auto describe(schema::Of<LaneOffered>) {
    return schema::kind("lane-offered", schema::field("link", &LaneOffered::link),
                        schema::field("lane", &LaneOffered::lane),
                        schema::field("ringRef", &LaneOffered::ring_ref),
                        schema::field("eventChannel", &LaneOffered::port));
}
struct LinkDown {
    LinkId link;
    DownReason reason;
    std::string detail;
};
constexpr auto describe(schema::Of<LinkDown>) {
    return schema::kind("link-down", schema::field("link", &LinkDown::link),
                        schema::field("reason", &LinkDown::reason),
                        schema::field("detail", &LinkDown::detail).as(schema::Form::kAnyBytes));
}
struct LinkDraining {
    LinkId link;
};
constexpr auto describe(schema::Of<LinkDraining>) {
    return schema::kind("link-draining", schema::field("link", &LinkDraining::link));
}
struct Services {
    LinkId link;
    std::vector<std::byte> payload;  // peer-controlled
};
constexpr auto describe(schema::Of<Services>) {
    return schema::kind("services", schema::field("link", &Services::link),
                        schema::field("payload", &Services::payload));
}
struct StreamOpened {
    LinkId link;
    StreamId stream;
    Direction direction;
    std::string service;
};
constexpr auto describe(schema::Of<StreamOpened>) {
    return schema::kind(
        "stream-opened", schema::field("link", &StreamOpened::link),
        schema::field("stream", &StreamOpened::stream),
        schema::field("direction", &StreamOpened::direction),
        schema::field("service", &StreamOpened::service).as(schema::Form::kAnyBytes));
}
struct StreamRefused {
    LinkId link;
    StreamId stream;
    Direction direction;
    std::string service;  // peer-controlled when incoming
    Refusal reason;
    std::string detail;
    std::int32_t program = 0;  // see StreamClosed
};
constexpr auto describe(schema::Of<StreamRefused>) {
    return schema::kind(
        "stream-refused", schema::field("link", &StreamRefused::link),
        schema::field("stream", &StreamRefused::stream),
        schema::field("direction", &StreamRefused::direction),
        schema::field("service", &StreamRefused::service).as(schema::Form::kAnyBytes),
        schema::field("reason", &StreamRefused::reason),
        schema::field("detail", &StreamRefused::detail).as(schema::Form::kAnyBytes),
        schema::field("program", &StreamRefused::program).as(schema::Form::kAbsentIfZero));
}
struct StreamClosed {
    LinkId link;
    StreamId stream;
    Direction direction;
    std::string service;
    EndReason reason;
    std::uint64_t bytes_sent;
    std::uint64_t bytes_received;
    // The pid of the local program that opened the stream, if the program does not get everything
    // that the service sent and its end-of-file: a UNIX socket cannot tell it so. Otherwise 0.
    std::int32_t program = 0;
};
constexpr auto describe(schema::Of<StreamClosed>) {
    return schema::kind(
        "stream-closed", schema::field("link", &StreamClosed::link),
        schema::field("stream", &StreamClosed::stream),
        schema::field("direction", &StreamClosed::direction),
        schema::field("service", &StreamClosed::service).as(schema::Form::kAnyBytes),
        schema::field("reason", &StreamClosed::reason),
        schema::field("bytesSent", &StreamClosed::bytes_sent),
        schema::field("bytesReceived", &StreamClosed::bytes_received),
        schema::field("program", &StreamClosed::program).as(schema::Form::kAbsentIfZero));
}

using Event = std::variant<LinkUp, LinkDown, LinkDraining, LaneOffered, Services, StreamOpened,
                           StreamRefused, StreamClosed>;

}  // namespace xsock::link

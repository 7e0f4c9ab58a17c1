// Events that the data plane reports to the control plane. Plain values; the binding turns them
// into JavaScript objects (daemon/dataplane/dataplane.ts has the same list).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace xsock::link {

using LinkId = std::uint32_t;
using ListenerId = std::uint32_t;
using StreamId = std::uint32_t;

enum class Direction : std::uint8_t { kOutgoing, kIncoming };

enum class DownReason : std::uint8_t {
    kClosed,
    kPeerGone,
    kGoodbye,
    kSilent,
    kCorrupt,
    kVersion,
    kIdentity,
    kHypervisor,
};

enum class EndReason : std::uint8_t {
    kClosed,
    kLocalReset,
    kPeerReset,
    kFdPassing,
    kLinkDown,
    kTerminated,
};

enum class Refusal : std::uint8_t {
    kNoSuchService,
    kDenied,
    kTargetUnavailable,
    kTooManyStreams,
    kShuttingDown,
    kLinkDown,
};

struct LinkUp {
    LinkId link;
    std::uint16_t version;
    std::uint64_t features;  // negotiated: abi/features.h
    std::array<std::uint8_t, 16> instance;
    unsigned lanes_to_offer;  // further lanes that both sides support; 0 if the peer offers them
};
// The peer has granted a further lane; all fields but the number are peer-controlled.
struct LaneOffered {
    LinkId link;
    unsigned lane;
    std::uint32_t ring_ref;
    std::uint32_t port;
};
struct LinkDown {
    LinkId link;
    DownReason reason;
    std::string detail;
};
// The pages and the port of a link that went down have been released.
struct LinkReleased {
    LinkId link;
};
struct LinkDraining {
    LinkId link;
};
struct Services {
    LinkId link;
    std::vector<std::byte> payload;  // peer-controlled
};
struct StreamOpened {
    LinkId link;
    StreamId stream;
    Direction direction;
    std::string service;
};
struct StreamRefused {
    LinkId link;
    StreamId stream;
    Direction direction;
    std::string service;  // peer-controlled when incoming
    Refusal reason;
    std::string detail;
    std::int32_t program = 0;  // see StreamClosed
};
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
struct ListenerError {
    ListenerId listener;
    std::string detail;
};
struct EventsDropped {
    std::uint64_t count;
};
// Ports of ended links wait to be closed by Pump::settle_hypervisor(): see hypervisor::Doorbells.
struct PortsResting {};
struct HypervisorGone {
    std::string detail;
};

// All pumps have answered Pumps::ping().
struct Alive {
    std::uint32_t ping;
};

using Event = std::variant<LinkUp, LinkDown, LinkReleased, LinkDraining, LaneOffered, Services,
                           StreamOpened, StreamRefused, StreamClosed, ListenerError, EventsDropped,
                           PortsResting, HypervisorGone, Alive>;

// The link that an event is about; 0: none.
inline LinkId link_of(const Event& event) noexcept {
    return std::visit(
        [](const auto& value) -> LinkId {
            if constexpr (requires { value.link; }) {
                return value.link;
            } else {
                return 0;
            }
        },
        event);
}

}  // namespace xsock::link

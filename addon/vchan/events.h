// What the relays report to the control plane. Plain values; beside each stands how it is written
// in JavaScript (schema/schema.h).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "schema/schema.h"

namespace xsock::vchan {

using RelayId = std::uint32_t;
using ListenerId = std::uint32_t;

enum class End : std::uint8_t {
    kClosed,             // both sides have received everything
    kPeerGone,           // the peer ended; what it wrote before was delivered
    kLocalGone,          // the local program or target aborted
    kTargetUnavailable,  // `detail` says why
    kCorrupt,            // the peer wrote what no libxenvchan writes; `detail` says what
    kTerminated,         // by terminate()
};
constexpr auto describe(schema::Of<End>) {
    return schema::names<End>("closed", "peer-gone", "local-gone", "target-unavailable", "corrupt",
                              "terminated");
}

// A program has connected to a listener: connect() or refuse() has to follow.
struct ConnectionPending {
    ListenerId listener;
};
constexpr auto describe(schema::Of<ConnectionPending>) {
    return schema::kind("connection-pending",
                        schema::field("listener", &ConnectionPending::listener));
}
// accept() failed; it is tried again after kListenerPause (relays.cc).
struct ListenerError {
    ListenerId listener;
    std::string detail;
};
constexpr auto describe(schema::Of<ListenerError>) {
    return schema::kind("listener-error", schema::field("listener", &ListenerError::listener),
                        schema::field("detail", &ListenerError::detail));
}
struct Opened {
    RelayId relay;
};
constexpr auto describe(schema::Of<Opened>) {
    return schema::kind("opened", schema::field("relay", &Opened::relay));
}
// Ports of ended streams are unused, but not closed before it is known that the domain was not
// restored: to be named to domain_checked(). Each is reported once.
struct ClosesDeferred {
    std::vector<hypervisor::EventChannelPort> ports;
};
constexpr auto describe(schema::Of<ClosesDeferred>) {
    return schema::kind("closes-deferred", schema::field("ports", &ClosesDeferred::ports));
}
// The stream is over. Its pages and port have been released, except a client's whose server has yet
// to notice (Relay::leave()).
struct Ended {
    RelayId relay;
    End reason;
    std::string detail;
    bool opened;
    std::uint64_t bytes_sent;
    std::uint64_t bytes_received;
};
constexpr auto describe(schema::Of<Ended>) {
    return schema::kind(
        "ended", schema::field("relay", &Ended::relay), schema::field("reason", &Ended::reason),
        schema::field("detail", &Ended::detail), schema::field("opened", &Ended::opened),
        schema::field("bytesSent", &Ended::bytes_sent),
        schema::field("bytesReceived", &Ended::bytes_received));
}
// The thread has answered ping().
struct Alive {
    std::uint32_t ping;
};
constexpr auto describe(schema::Of<Alive>) {
    return schema::kind("alive", schema::field("ping", &Alive::ping));
}

using Event = std::variant<ConnectionPending, ListenerError, Opened, ClosesDeferred, Ended, Alive>;

}  // namespace xsock::vchan

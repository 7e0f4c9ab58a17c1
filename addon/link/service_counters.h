// What a link has carried for each service, in either direction. Pump thread only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "link/events.h"
#include "schema/schema.h"

namespace xsock::link {

struct ServiceCounters {
    Direction direction;
    std::string service;  // peer-controlled if outgoing: an import's name
    std::uint64_t streams;
    std::uint64_t bytes_sent;
    std::uint64_t bytes_received;
};
constexpr auto describe(schema::Of<ServiceCounters>) {
    return schema::object(
        schema::field("direction", &ServiceCounters::direction).summed(schema::Sum::kFirst),
        schema::field("service", &ServiceCounters::service)
            .as(schema::Form::kAnyBytes)
            .summed(schema::Sum::kFirst),
        schema::field("streams", &ServiceCounters::streams),
        schema::field("bytesSent", &ServiceCounters::bytes_sent),
        schema::field("bytesReceived", &ServiceCounters::bytes_received));
}

// Streams are added when they end, so that nothing is counted here byte by byte. Only streams that
// opened are: an OPEN for what is not exported adds no name. A peer may rename what it announces
// as often as it likes: beyond kMaxServices in a direction, all others are counted under an empty
// name.
class ServiceTally {
  public:
    static constexpr std::size_t kMaxServices = 256;

    void add(Direction direction, const std::string& service, std::uint64_t bytes_sent,
             std::uint64_t bytes_received) {
        auto& services = services_[static_cast<std::size_t>(direction)];
        auto found = services.find(service);
        if (found == services.end()) {
            const bool full = services.size() >= kMaxServices;
            found = services.try_emplace(full ? std::string() : service).first;
        }
        ++found->second.streams;
        found->second.bytes_sent += bytes_sent;
        found->second.bytes_received += bytes_received;
    }
    [[nodiscard]] std::vector<ServiceCounters> list() const {
        std::vector<ServiceCounters> result;
        for (const Direction direction : {Direction::kOutgoing, Direction::kIncoming}) {
            for (const auto& [name, sum] : services_[static_cast<std::size_t>(direction)]) {
                result.push_back(
                    {direction, name, sum.streams, sum.bytes_sent, sum.bytes_received});
            }
        }
        return result;
    }

  private:
    struct Totals {
        std::uint64_t streams = 0;
        std::uint64_t bytes_sent = 0;
        std::uint64_t bytes_received = 0;
    };
    std::array<std::unordered_map<std::string, Totals>, 2> services_;
};

}  // namespace xsock::link

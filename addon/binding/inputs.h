// What JavaScript passes in a form that the core has not, and what becomes of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "link/export_table.h"
#include "link/host.h"
#include "schema/schema.h"
#include "sys/socket.h"

namespace xsock::binding {

struct UnixTarget {
    std::string path;
};
constexpr auto describe(schema::Of<UnixTarget>) {
    return schema::kind("unix", schema::field("path", &UnixTarget::path));
}
struct TcpTarget {
    std::string host;
    std::uint16_t port;
};
constexpr auto describe(schema::Of<TcpTarget>) {
    return schema::kind("tcp", schema::field("host", &TcpTarget::host),
                        schema::field("port", &TcpTarget::port));
}
using Target = std::variant<UnixTarget, TcpTarget>;
sys::Address address_of(const Target& target);

struct Export {
    std::string name;
    std::uint16_t port;
    bool allowed;
    Target target;
};
constexpr auto describe(schema::Of<Export>) {
    return schema::object(schema::field("name", &Export::name).as(schema::Form::kUndefinedIfZero),
                          schema::field("port", &Export::port).as(schema::Form::kUndefinedIfZero),
                          schema::field("allowed", &Export::allowed),
                          schema::field("target", &Export::target));
}
link::ExportEntry entry_of(const Export& from);

struct Limits {
    std::uint32_t streams_per_peer;
    std::uint32_t memory_per_stream;
    std::size_t memory_total;
};
constexpr auto describe(schema::Of<Limits>) {
    return schema::object(schema::field("streamsPerPeer", &Limits::streams_per_peer),
                          schema::field("memoryPerStream", &Limits::memory_per_stream),
                          schema::field("memoryTotal", &Limits::memory_total));
}

struct Xen {};
constexpr auto describe(schema::Of<Xen>) {
    return schema::kind("xen");
}
struct Loopback {
    std::string domain_dir;
};
constexpr auto describe(schema::Of<Loopback>) {
    return schema::kind("loopback", schema::field("domainDir", &Loopback::domain_dir));
}
using HypervisorChoice = std::variant<Xen, Loopback>;
// Throws std::system_error.
hypervisor::Hypervisor connect_hypervisor(const HypervisorChoice& choice);

struct Options {
    HypervisorChoice hypervisor;
    std::uint32_t domid;
    std::array<std::uint8_t, 16> instance;
    Limits limits;
    link::Timings timings;
    std::uint32_t pumps;
};
constexpr auto describe(schema::Of<Options>) {
    return schema::object(
        schema::field("hypervisor", &Options::hypervisor), schema::field("domid", &Options::domid),
        schema::field("instance", &Options::instance), schema::field("limits", &Options::limits),
        schema::field("timings", &Options::timings), schema::field("pumps", &Options::pumps));
}

}  // namespace xsock::binding

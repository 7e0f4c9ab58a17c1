#include "binding/inputs.h"

#include "hypervisor/loopback/connect.h"
#include "hypervisor/xen/connect.h"

namespace xsock::binding {

sys::Address address_of(const Target& target) {
    sys::Address address;
    if (const auto* tcp = std::get_if<TcpTarget>(&target)) {
        address.kind = sys::SocketKind::kTcp;
        address.host_or_path = tcp->host;
        address.port = tcp->port;
    } else {
        address.host_or_path = std::get<UnixTarget>(target).path;
    }
    return address;
}

link::ExportEntry entry_of(const Export& from) {
    return {from.name, from.port, from.allowed, address_of(from.target)};
}

hypervisor::Hypervisor connect_hypervisor(const HypervisorChoice& choice) {
    const auto* loopback = std::get_if<Loopback>(&choice);
    return loopback == nullptr ? hypervisor::xen::connect_xen()
                               : hypervisor::loopback::connect_loopback(loopback->domain_dir);
}

}  // namespace xsock::binding

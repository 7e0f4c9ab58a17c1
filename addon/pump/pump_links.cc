// How a pump comes by its links: over pages that we grant, over pages that a peer granted, and with
// the domain itself. Called from any thread but the pump's; only what touches the pump's state runs
// there.
#include <utility>

#include "link/ring_size.h"
#include "pump/pump.h"

namespace xsock::pump {

using link::LinkId;

LinkId Pump::adopt(hypervisor::DomId peer, link::ChannelMemory memory, DoorbellSource& source,
                   hypervisor::Doorbells& doorbells, hypervisor::EventChannelPort port) {
    const LinkId id = next_link_++;
    const link::Identity identity{options_.domid, peer, options_.instance};
    now_ = sys::Clock::now();
    auto link =
        std::make_unique<link::Link>(*this, id, identity, std::move(memory), doorbells, port);
    Entry& entry = links_[id];
    entry.link = std::move(link);
    entry.source = &source;
    source.add(*entry.link);
    entry.link->start();
    return id;
}

Pump::Offer Pump::offer(hypervisor::DomId peer, std::uint16_t order) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = commands_.call([&] { return doorbells.allocate_unbound(peer); });
    try {
        // Granting may take milliseconds: not on the pump thread.
        link::ChannelMemory memory =
            order == 0 ? link::share_what_fits(*hypervisor_.memory, peer, port)
                       : link::ChannelMemory::share(*hypervisor_.memory, peer, order, port);
        const hypervisor::GrantRef ring_ref = memory.ring_ref();
        const LinkId id = commands_.call(
            [&] { return adopt(peer, std::move(memory), source_, doorbells, port); });
        return {id, ring_ref, port};
    } catch (...) {
        commands_.post([&doorbells, port] { doorbells.close(port); });
        throw;
    }
}

LinkId Pump::connect(hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                     hypervisor::EventChannelPort peer_port) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = commands_.call([&] { return doorbells.bind_interdomain(peer, peer_port); });
    try {
        link::ChannelMemory memory =
            link::ChannelMemory::map(*hypervisor_.memory, peer, ring_ref, port);
        return commands_.call(
            [&] { return adopt(peer, std::move(memory), source_, doorbells, port); });
    } catch (...) {
        commands_.post([&doorbells, port] { doorbells.close(port); });
        throw;
    }
}

LinkId Pump::connect_self(std::uint16_t order) {
    return commands_.call([&] {
        const auto domid = static_cast<hypervisor::DomId>(options_.domid);
        hypervisor::Doorbells& doorbells = *self_.doorbells;
        const auto server_port = doorbells.allocate_unbound(domid);
        link::ChannelMemory server =
            link::ChannelMemory::share(*self_.memory, domid, order, server_port);
        const auto client_port = doorbells.bind_interdomain(domid, server_port);
        link::ChannelMemory client =
            link::ChannelMemory::map(*self_.memory, domid, server.ring_ref(), client_port);
        const LinkId serving =
            adopt(domid, std::move(server), self_source_, doorbells, server_port);
        const LinkId calling =
            adopt(domid, std::move(client), self_source_, doorbells, client_port);
        find(serving).partner = calling;
        find(serving).quiet = true;
        find(calling).partner = serving;
        return calling;
    });
}

void Pump::abandon_hypervisor() {
    commands_.call([&] {
        epoll_.remove(hypervisor_.doorbells->fd());
        hypervisor_.doorbells->abandon();
    });
}

}  // namespace xsock::pump

// How a pump's links are created: over pages that we grant, over pages that a peer granted, and
// with the domain itself. Called from any thread but the pump's; only what touches the pump's state
// runs there.
#include <cerrno>
#include <utility>

#include "channel/ring_size.h"
#include "pump/pump.h"
#include "sys/error.h"

namespace xsock::pump {

using link::LinkId;

// Throws only before it takes the memory: releasing that may block, so it is left to the caller.
void Pump::adopt(LinkId id, hypervisor::DomId peer, channel::ChannelMemory&& memory,
                 DoorbellSource& source, hypervisor::EventChannelPort port,
                 link::LaneRef lane_ref) {
    if (links_.contains(id)) {
        sys::throw_errno("lane", EEXIST);
    }
    if (!lane_ref.lanes->join()) {
        sys::throw_errno("link", ENOLINK);
    }
    const link::Identity identity{options_.domid, peer, options_.instance, options_.features};
    now_ = sys::Clock::now();
    Entry& entry = links_[id];
    entry.link = std::make_unique<link::Link>(*this, id, identity, std::move(memory),
                                              source.doorbells(), port, std::move(lane_ref));
    entry.source = &source;
    source.add(*entry.link);
    entry.link->start();
}

// Granting and mapping may take milliseconds, and a hypervisor may not answer: not on the pump
// thread.
Pump::Offer Pump::offer(LinkId id, hypervisor::DomId peer, std::uint16_t order,
                        link::LaneRef lane_ref) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.allocate_unbound(peer);
    try {
        channel::ChannelMemory memory =
            order != 0 ? channel::ChannelMemory::share(*hypervisor_.memory, peer, order, port)
            : lane_ref.number == 0 ? channel::share_what_fits(*hypervisor_.memory, peer, port)
                                   : channel::share_what_is_spare(*hypervisor_.memory, peer, port);
        const hypervisor::GrantRef ring_ref = memory.ring_ref();
        commands_.call(
            [&] { adopt(id, peer, std::move(memory), source_, port, std::move(lane_ref)); });
        return {id, ring_ref, port};
    } catch (...) {
        doorbells.close(port);
        report_deferred_closes();
        throw;
    }
}

void Pump::connect(LinkId id, hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                   hypervisor::EventChannelPort peer_port, link::LaneRef lane_ref) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.bind_interdomain(peer, peer_port);
    try {
        channel::ChannelMemory memory =
            channel::ChannelMemory::map(*hypervisor_.memory, peer, ring_ref, port);
        commands_.call(
            [&] { adopt(id, peer, std::move(memory), source_, port, std::move(lane_ref)); });
    } catch (...) {
        doorbells.close(port);
        report_deferred_closes();
        throw;
    }
}

void Pump::announce(LinkId id, const abi::Lane& lane) {
    commands_.call([&] { find(id).link->announce(lane); });
}

LinkId Pump::connect_self(std::uint16_t order) {
    return commands_.call([&] {
        const auto domid = static_cast<hypervisor::DomId>(options_.domid);
        hypervisor::Doorbells& doorbells = *self_.doorbells;
        const auto server_port = doorbells.allocate_unbound(domid);
        channel::ChannelMemory server =
            channel::ChannelMemory::share(*self_.memory, domid, order, server_port);
        const auto client_port = doorbells.bind_interdomain(domid, server_port);
        channel::ChannelMemory client =
            channel::ChannelMemory::map(*self_.memory, domid, server.ring_ref(), client_port);
        const LinkId serving = shared_->next_link++;
        const LinkId calling = shared_->next_link++;
        adopt(serving, domid, std::move(server), self_source_, server_port, {});
        adopt(calling, domid, std::move(client), self_source_, client_port, {});
        find(serving).partner = calling;
        find(serving).quiet = true;
        find(calling).partner = serving;
        return calling;
    });
}

void Pump::domain_checked(const hypervisor::DomainCheck& check) {
    commands_.call([&] {
        if (check.restored) {
            epoll_.remove(hypervisor_.doorbells->fd());
        }
        hypervisor_.doorbells->domain_checked(check);
    });
}

}  // namespace xsock::pump

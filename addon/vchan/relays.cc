#include "vchan/relays.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/error.h"
#include "sys/thread_name.h"

namespace xsock::vchan {

using hypervisor::EventChannelPort;

namespace {

// A peer that rings this often with nothing to show for it is not listened to for a while.
constexpr int kIdleRings = 256;
constexpr sys::Duration kQuietTime = sys::milliseconds(10);
// A door that could let nobody in (out of descriptors) is tried again after this.
constexpr sys::Duration kDoorRest = sys::milliseconds(100);

}  // namespace

Relays::Relays(hypervisor::Hypervisor hypervisor, std::function<void()> wake)
    : hypervisor_(std::move(hypervisor)), wake_(std::move(wake)) {
    auto run_commands = [this] { commands_.run(); };
    auto take_rings = [this] { rung(); };
    commands_source_ = std::make_unique<Handler<decltype(run_commands)>>(run_commands);
    doorbell_source_ = std::make_unique<Handler<decltype(take_rings)>>(take_rings);
    epoll_.add(commands_.fd(), EPOLLIN, sys::tag_of(*commands_source_));
    epoll_.add(hypervisor_.doorbells->fd(), EPOLLIN, sys::tag_of(*doorbell_source_));
    thread_ = std::thread([this] {
        sys::name_thread("xsock-relays");
        run();
    });
}

Relays::~Relays() {
    stop();
}

void Relays::stop() {
    if (stopped_.exchange(true)) {
        return;
    }
    commands_.post([this] { stopping_ = true; });
    thread_.join();
    releaser_.stop();
}

void Relays::run() {
    while (!stopping_) {
        std::array<epoll_event, 64> events;
        const std::size_t count = epoll_.wait(events, timeout_ms());
        now_ = sys::Clock::now();
        for (std::size_t i = 0; i < count; ++i) {
            reinterpret_cast<sys::Pollable*>(events[i].data.u64)->on_ready(events[i].events);
        }
        end_rests();
        serve_all();
        remove_ended();
        report_deferred_closes();
        closed_doors_.clear();
    }
    relays_.clear();
    doors_.clear();
    commands_.close();
}

int Relays::timeout_ms() const {
    if (!runnable_.empty() || stopping_) {
        return 0;
    }
    sys::TimePoint next = sys::kNever;
    for (const auto& [id, relay] : relays_) {
        next = std::min(next, relay->deadline());
    }
    for (const auto& [port, bell] : bells_) {
        if (bell.quiet_until > now_) {
            next = std::min(next, bell.quiet_until);
        }
    }
    for (const auto& [id, door] : doors_) {
        next = std::min(next, door->resume_at);
    }
    if (next == sys::kNever) {
        return -1;
    }
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(next - sys::Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

void Relays::rung() {
    std::array<EventChannelPort, 64> ports;
    std::size_t count = 0;
    try {
        count = hypervisor_.doorbells->drain(ports);
    } catch (const std::system_error&) {
        // The hypervisor is gone; the pump has the same news and ends the daemon.
        epoll_.remove(hypervisor_.doorbells->fd());
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto bell = bells_.find(ports[i]);
        if (bell != bells_.end()) {
            ++bell->second.idle_rings;
            runnable_.insert(bell->second.relay);
        }
    }
}

// Few relays, and rare: every one is looked at in every round, each with a bounded turn. A port is
// let ring again after its relay's turn only.
void Relays::serve_all() {
    runnable_.clear();
    for (auto& [id, relay] : relays_) {
        turn(*relay);
    }
    for (auto& [port, bell] : bells_) {
        if (bell.idle_rings >= kIdleRings) {
            bell.idle_rings = 0;
            bell.quiet_until = now_ + kQuietTime;
        }
        if (now_ >= bell.quiet_until) {
            hypervisor_.doorbells->unmask(port);
        }
    }
}

void Relays::turn(Relay& relay) {
    const std::uint64_t before = relay.bytes_sent() + relay.bytes_received();
    if (relay.turn(now_)) {
        runnable_.insert(relay.id);
    }
    if (relay.bytes_sent() + relay.bytes_received() != before) {
        bells_.at(relay.port()).idle_rings = 0;
    }
    if (relay.open() && announced_.insert(relay.id).second) {
        report(Opened{relay.id});
    }
}

void Relays::remove_ended() {
    for (auto it = relays_.begin(); it != relays_.end();) {
        Relay& relay = *it->second;
        if (!relay.over()) {
            ++it;
            continue;
        }
        const Ended ended{relay.id,     relay.reason(),     relay.detail(),
                          relay.open(), relay.bytes_sent(), relay.bytes_received()};
        const bool first = !relay.leaving();
        if (first) {
            relay.leave(now_);
        }
        if (relay.left(now_)) {
            bells_.erase(relay.port());
            announced_.erase(relay.id);
            release(std::move(it->second), first ? std::optional(ended) : std::nullopt);
            it = relays_.erase(it);
            continue;
        }
        ++it;
        if (first) {
            report(ended);
        }
    }
}

// The next program is let in once the server has heard that this one went. `told`: what is
// reported when everything has been given back.
void Relays::release(std::unique_ptr<Relay> relay, std::optional<Ended> told) {
    releaser_.add(pump::Releaser::Task([this, over = std::move(relay), told]() mutable {
        const RelayId id = over->id;
        over.reset();
        if (told) {
            report(*told);
        }
        commands_.post([this, id] { reopen_door_of(id); });
    }));
}

void Relays::reopen_door_of(RelayId relay) {
    for (auto& [id, door] : doors_) {
        if (door->busy == relay) {
            door->busy = 0;
            listen_again(*door);
        }
    }
}

void Relays::accept(Door& door) {
    if (!door.socket.valid() || door.waiting.valid() || door.busy != 0) {
        return;
    }
    int error = 0;
    sys::UniqueFd connection = sys::accept(door.socket.get(), error);
    if (!connection.valid()) {
        if (error != EAGAIN) {
            rest(door, error);
        }
        return;
    }
    epoll_.remove(door.socket.get());
    door.waiting = std::move(connection);
    report(Wanted{door.id});
}

void Relays::listen_again(Door& door) {
    try {
        epoll_.add(door.socket.get(), EPOLLIN, sys::tag_of(door));
    } catch (const std::system_error& error) {  // out of watches
        rest(door, error.code().value());
    }
}

// The socket stays readable: listened to, it would wake us again at once.
void Relays::rest(Door& door, int error) {
    epoll_.remove(door.socket.get());
    door.resume_at = now_ + kDoorRest;
    report(DoorError{door.id, std::generic_category().message(error)});
}

void Relays::end_rests() {
    for (auto& [id, door] : doors_) {
        if (now_ >= door->resume_at) {
            door->resume_at = sys::kNever;
            listen_again(*door);
        }
    }
}

void Relays::adopt(std::unique_ptr<Relay> relay) {
    const EventChannelPort port = relay->port();
    bells_[port] = Bell{relay->id};
    runnable_.insert(relay->id);
    relays_.emplace(relay->id, std::move(relay));
    // It may have rung, and been masked, before it was known here.
    hypervisor_.doorbells->unmask(port);
}

Relays::Offer Relays::serve(hypervisor::DomId peer, std::uint16_t order, sys::Address target) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.allocate_unbound(peer);
    try {
        link::ChannelMemory memory =
            link::ChannelMemory::share(*hypervisor_.memory, peer, order, port);
        const hypervisor::GrantRef ring_ref = memory.ring_ref();
        return commands_.call([&] {
            const RelayId id = next_id_++;
            adopt(std::make_unique<Relay>(id, std::move(memory), doorbells, port, epoll_,
                                          std::move(target)));
            return Offer{id, ring_ref, port};
        });
    } catch (...) {
        doorbells.close(port);
        commands_.post([] {});  // it may rest
        throw;
    }
}

RelayId Relays::connect(DoorId door_id, hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                        EventChannelPort peer_port) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.bind_interdomain(peer, peer_port);
    try {
        link::ChannelMemory memory = link::ChannelMemory::map(*hypervisor_.memory, peer, ring_ref,
                                                              port, link::Offers::kStock);
        return commands_.call([&] {
            const auto door = doors_.find(door_id);
            if (door == doors_.end() || !door->second->waiting.valid()) {
                sys::throw_errno("vchan door", ENOENT);
            }
            const RelayId id = next_id_++;
            adopt(std::make_unique<Relay>(id, std::move(memory), doorbells, port, epoll_,
                                          std::move(door->second->waiting)));
            door->second->busy = id;
            return id;
        });
    } catch (...) {
        doorbells.close(port);
        commands_.post([] {});  // it may rest
        throw;
    }
}

DoorId Relays::open_door(sys::UniqueFd socket) {
    return commands_.call([&] {
        const DoorId id = next_id_++;
        const auto it = doors_.emplace(id, std::make_unique<Door>(*this, id, std::move(socket)));
        listen_again(*it.first->second);
        return id;
    });
}

void Relays::close_door(DoorId door_id) {
    commands_.call([&] {
        const auto door = doors_.find(door_id);
        if (door == doors_.end()) {
            return;
        }
        if (relays_.contains(door->second->busy)) {
            relays_.at(door->second->busy)->terminate();
        }
        door->second->socket.reset();
        closed_doors_.push_back(std::move(door->second));
        doors_.erase(door);
    });
}

void Relays::refuse(DoorId door_id) {
    commands_.call([&] {
        const auto door = doors_.find(door_id);
        if (door != doors_.end() && door->second->waiting.valid()) {
            door->second->waiting.reset();
            listen_again(*door->second);
        }
    });
}

void Relays::terminate(RelayId relay) {
    commands_.call([&] {
        if (relays_.contains(relay)) {
            relays_.at(relay)->terminate();
        }
    });
}

void Relays::abandon_hypervisor() {
    commands_.call([&] {
        epoll_.remove(hypervisor_.doorbells->fd());
        hypervisor_.doorbells->abandon();
    });
}

void Relays::settle_hypervisor() {
    commands_.call([&] {
        deferred_closes_reported_ = false;
        hypervisor_.doorbells->close_deferred();
    });
}

void Relays::ping(std::uint32_t number) {
    if (!commands_.post([this, number] { report(Alive{number}); })) {
        sys::throw_errno("vchan", ECANCELED);
    }
}

void Relays::report_deferred_closes() {
    if (!deferred_closes_reported_ && hypervisor_.doorbells->deferred_closes() > 0) {
        deferred_closes_reported_ = true;
        report(PortsResting{});
    }
}

void Relays::report(Event event) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = events_.empty();
        events_.push_back(std::move(event));
    }
    if (first) {
        wake_();
    }
}

std::vector<Event> Relays::take_events() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

}  // namespace xsock::vchan

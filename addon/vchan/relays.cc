#include "vchan/relays.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/error.h"
#include "sys/thread_name.h"

namespace xsock::vchan {

using hypervisor::EventChannelPort;

namespace {

// The port of a peer that sends this many notifications in a row without moving a byte is masked
// for kMaskTime.
constexpr int kMaxIdleNotifications = 256;
constexpr sys::Duration kMaskTime = sys::milliseconds(10);
// A listener on which accept() failed (out of descriptors) is tried again after this.
constexpr sys::Duration kListenerPause = sys::milliseconds(100);

}  // namespace

Relays::Relays(hypervisor::Hypervisor hypervisor, std::function<void()> wake)
    : hypervisor_(std::move(hypervisor)), wake_(std::move(wake)) {
    auto run_commands = [this] { commands_.run(); };
    auto on_doorbell = [this] { take_notifications(); };
    commands_source_ = std::make_unique<Handler<decltype(run_commands)>>(run_commands);
    doorbell_source_ = std::make_unique<Handler<decltype(on_doorbell)>>(on_doorbell);
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
        resume_listeners();
        serve_all();
        remove_ended();
        closed_listeners_.clear();
    }
    relays_.clear();
    listeners_.clear();
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
    for (const auto& [port, state] : ports_) {
        if (state.masked_until > now_) {
            next = std::min(next, state.masked_until);
        }
    }
    for (const auto& [id, listener] : listeners_) {
        next = std::min(next, listener->resume_at);
    }
    if (next == sys::kNever) {
        return -1;
    }
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(next - sys::Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

void Relays::take_notifications() {
    std::array<EventChannelPort, 64> ports;
    std::size_t count = 0;
    try {
        count = hypervisor_.doorbells->drain(ports);
    } catch (const std::system_error&) {
        // The hypervisor is gone; the pumps report that too, and the daemon ends.
        epoll_.remove(hypervisor_.doorbells->fd());
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto found = ports_.find(ports[i]);
        if (found != ports_.end()) {
            ++found->second.idle_notifications;
            runnable_.insert(found->second.relay);
        }
    }
}

// There are few relays: every one gets a bounded turn in every round. A port is unmasked only after
// its relay's turn.
void Relays::serve_all() {
    runnable_.clear();
    for (auto& [id, relay] : relays_) {
        turn(*relay);
    }
    for (auto& [port, state] : ports_) {
        if (state.idle_notifications >= kMaxIdleNotifications) {
            state.idle_notifications = 0;
            state.masked_until = now_ + kMaskTime;
        }
        if (now_ >= state.masked_until) {
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
        ports_.at(relay.port()).idle_notifications = 0;
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
            ports_.erase(relay.port());
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

// Accepts the next program once the server has noticed that this one left. `told`: the event to
// report once everything has been released.
void Relays::release(std::unique_ptr<Relay> relay, std::optional<Ended> told) {
    releaser_.add(pump::Releaser::Task([this, over = std::move(relay), told]() mutable {
        const RelayId id = over->id;
        over.reset();
        report_deferred_closes();
        if (told) {
            report(*told);
        }
        commands_.post([this, id] { resume_listener_of(id); });
    }));
}

void Relays::resume_listener_of(RelayId relay) {
    for (auto& [id, listener] : listeners_) {
        if (listener->busy == relay) {
            listener->busy = 0;
            watch(*listener);
        }
    }
}

void Relays::accept(Listener& listener) {
    if (!listener.socket.valid() || listener.waiting.valid() || listener.busy != 0) {
        return;
    }
    int error = 0;
    sys::UniqueFd connection = sys::accept(listener.socket.get(), error);
    if (!connection.valid()) {
        if (error != EAGAIN) {
            pause(listener, error);
        }
        return;
    }
    epoll_.remove(listener.socket.get());
    listener.waiting = std::move(connection);
    report(ConnectionPending{listener.id});
}

void Relays::watch(Listener& listener) {
    try {
        epoll_.add(listener.socket.get(), EPOLLIN, sys::tag_of(listener));
    } catch (const std::system_error& error) {  // out of watches
        pause(listener, error.code().value());
    }
}

// The socket stays readable: watched, it would wake us again at once.
void Relays::pause(Listener& listener, int error) {
    epoll_.remove(listener.socket.get());
    listener.resume_at = now_ + kListenerPause;
    report(ListenerError{listener.id, std::generic_category().message(error)});
}

void Relays::resume_listeners() {
    for (auto& [id, listener] : listeners_) {
        if (now_ >= listener->resume_at) {
            listener->resume_at = sys::kNever;
            watch(*listener);
        }
    }
}

void Relays::adopt(std::unique_ptr<Relay> relay) {
    const EventChannelPort port = relay->port();
    ports_[port] = Port{relay->id};
    runnable_.insert(relay->id);
    relays_.emplace(relay->id, std::move(relay));
    // It may have been notified, and masked, before it was in ports_.
    hypervisor_.doorbells->unmask(port);
}

Relays::Offer Relays::serve(hypervisor::DomId peer, std::uint16_t order, sys::Address target) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.allocate_unbound(peer);
    try {
        channel::ChannelMemory memory =
            channel::ChannelMemory::share(*hypervisor_.memory, peer, order, port);
        const hypervisor::GrantRef ring_ref = memory.ring_ref();
        return commands_.call([&] {
            const RelayId id = next_id_++;
            adopt(std::make_unique<Relay>(id, std::move(memory), doorbells, port, epoll_,
                                          std::move(target)));
            return Offer{id, ring_ref, port};
        });
    } catch (...) {
        doorbells.close(port);
        report_deferred_closes();
        throw;
    }
}

RelayId Relays::connect(ListenerId listener_id, hypervisor::DomId peer,
                        hypervisor::GrantRef ring_ref, EventChannelPort peer_port) {
    hypervisor::Doorbells& doorbells = *hypervisor_.doorbells;
    const auto port = doorbells.bind_interdomain(peer, peer_port);
    try {
        channel::ChannelMemory memory = channel::ChannelMemory::map(
            *hypervisor_.memory, peer, ring_ref, port, channel::Offers::kStock);
        return commands_.call([&] {
            const auto listener = listeners_.find(listener_id);
            if (listener == listeners_.end() || !listener->second->waiting.valid()) {
                sys::throw_errno("vchan listener", ENOENT);
            }
            const RelayId id = next_id_++;
            adopt(std::make_unique<Relay>(id, std::move(memory), doorbells, port, epoll_,
                                          std::move(listener->second->waiting)));
            listener->second->busy = id;
            return id;
        });
    } catch (...) {
        doorbells.close(port);
        report_deferred_closes();
        throw;
    }
}

ListenerId Relays::listen(sys::UniqueFd socket) {
    return commands_.call([&] {
        const ListenerId id = next_id_++;
        const auto it =
            listeners_.emplace(id, std::make_unique<Listener>(*this, id, std::move(socket)));
        watch(*it.first->second);
        return id;
    });
}

void Relays::unlisten(ListenerId listener_id) {
    commands_.call([&] {
        const auto listener = listeners_.find(listener_id);
        if (listener == listeners_.end()) {
            return;
        }
        if (relays_.contains(listener->second->busy)) {
            relays_.at(listener->second->busy)->terminate();
        }
        epoll_.remove(listener->second->socket.get());
        listener->second->socket.reset();
        closed_listeners_.push_back(std::move(listener->second));
        listeners_.erase(listener);
    });
}

void Relays::refuse(ListenerId listener_id) {
    commands_.call([&] {
        const auto listener = listeners_.find(listener_id);
        if (listener != listeners_.end() && listener->second->waiting.valid()) {
            listener->second->waiting.reset();
            watch(*listener->second);
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

void Relays::domain_checked(const hypervisor::DomainCheck& check) {
    commands_.call([&] {
        if (check.restored) {
            epoll_.remove(hypervisor_.doorbells->fd());
        }
        hypervisor_.doorbells->domain_checked(check);
    });
}

void Relays::ping(std::uint32_t number) {
    if (!commands_.post([this, number] { report(Alive{number}); })) {
        sys::throw_errno("vchan", ECANCELED);
    }
}

// Any thread, after a port was closed.
void Relays::report_deferred_closes() {
    std::vector<EventChannelPort> ports = hypervisor_.doorbells->take_deferred_closes();
    if (!ports.empty()) {
        report(ClosesDeferred{std::move(ports)});
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

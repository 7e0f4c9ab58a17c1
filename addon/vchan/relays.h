// The thread that runs all raw vchan streams of a daemon, with hypervisor handles of its own:
// whatever a peer without xsock does, links do not wait for it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "pump/command_queue.h"
#include "pump/releaser.h"
#include "sys/epoll.h"
#include "vchan/events.h"
#include "vchan/relay.h"

namespace xsock::vchan {

// Methods may be called from any thread but the relays' own; they throw std::system_error
// (ECANCELED after stop()).
class Relays {
  public:
    // `wake` is called on the relays' thread when there are events to take; it must not block.
    Relays(hypervisor::Hypervisor hypervisor, std::function<void()> wake);
    Relays(const Relays&) = delete;
    Relays& operator=(const Relays&) = delete;
    ~Relays();

    struct Offer {
        RelayId relay;
        hypervisor::GrantRef ring_ref;
        hypervisor::EventChannelPort port;

        friend constexpr auto describe(schema::Of<Offer>) {
            return schema::object(schema::field("relay", &Offer::relay),
                                  schema::field("ringRef", &Offer::ring_ref),
                                  schema::field("eventChannel", &Offer::port));
        }
    };
    // Grants a channel for a client in `peer`; rings of 2^order bytes.
    Offer serve(hypervisor::DomId peer, std::uint16_t order, sys::Address target);
    // A local socket whose programs are connected to a server, one at a time; the others wait in
    // its backlog.
    ListenerId listen(sys::UniqueFd socket);
    void unlisten(ListenerId listener);
    // Connects the pending program to this server. ENOENT: there is none any more.
    RelayId connect(ListenerId listener, hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                    hypervisor::EventChannelPort port);
    // Closes the pending program's connection.
    void refuse(ListenerId listener);
    // Ends a stream now, or an offer that was not used.
    void terminate(RelayId relay);
    // See hypervisor::Doorbells::domain_checked().
    void domain_checked(const hypervisor::DomainCheck& check);
    // Reports Alive{number} on the relays' thread; does not wait for it.
    void ping(std::uint32_t number);
    std::vector<Event> take_events();
    void stop();

  private:
    struct Listener final : sys::Pollable {
        Listener(Relays& owner, ListenerId listener_id, sys::UniqueFd listening)
            : relays(owner), id(listener_id), socket(std::move(listening)) {}
        void on_ready(std::uint32_t) override { relays.accept(*this); }
        Relays& relays;
        const ListenerId id;
        sys::UniqueFd socket;
        sys::UniqueFd waiting;  // accepted, not yet connected
        RelayId busy = 0;       // the stream of its current program; 0: none
        sys::TimePoint resume_at = sys::kNever;
    };
    struct Port {
        RelayId relay;
        int idle_notifications = 0;
        sys::TimePoint masked_until = sys::TimePoint::min();
    };
    template <typename Function>
    struct Handler final : sys::Pollable {
        explicit Handler(Function function) : call(std::move(function)) {}
        void on_ready(std::uint32_t) override { call(); }
        Function call;
    };

    void run();
    void take_notifications();
    void serve_all();
    void turn(Relay& relay);
    void remove_ended();
    void accept(Listener& listener);
    void watch(Listener& listener);
    void pause(Listener& listener, int error);
    void resume_listeners();
    void report_deferred_closes();
    void release(std::unique_ptr<Relay> relay, std::optional<Ended> told);
    void resume_listener_of(RelayId relay);
    void adopt(std::unique_ptr<Relay> relay);
    void report(Event event);
    [[nodiscard]] int timeout_ms() const;

    hypervisor::Hypervisor hypervisor_;
    std::function<void()> wake_;
    pump::CommandQueue commands_;
    sys::Epoll epoll_;
    std::unique_ptr<sys::Pollable> commands_source_;
    std::unique_ptr<sys::Pollable> doorbell_source_;
    std::map<RelayId, std::unique_ptr<Relay>> relays_;
    std::map<hypervisor::EventChannelPort, Port> ports_;
    std::map<ListenerId, std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<Listener>> closed_listeners_;
    std::set<RelayId> runnable_;
    std::set<RelayId> announced_;
    pump::Releaser releaser_;  // destroyed before the hypervisor's handles
    std::mutex mutex_;
    std::vector<Event> events_;
    sys::TimePoint now_ = sys::Clock::now();
    std::uint32_t next_id_ = 1;
    bool stopping_ = false;
    std::atomic<bool> stopped_{false};
    std::thread thread_;
};

}  // namespace xsock::vchan

// The thread that runs all raw vchan streams of a daemon. A thread of its own, with its own handle
// of the hypervisor: whatever a peer without xsock does, links do not wait for it.
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
#include <variant>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "pump/command_queue.h"
#include "pump/releaser.h"
#include "sys/epoll.h"
#include "vchan/relay.h"

namespace xsock::vchan {

using DoorId = std::uint32_t;

// A program has connected to a door: connect() or refuse() has to follow.
struct Wanted {
    DoorId door;
};
// No program could be let in at a door; it rests for a while.
struct DoorError {
    DoorId door;
    std::string detail;
};
struct Opened {
    RelayId relay;
};
// Ports of streams that are over wait for settle_hypervisor(): see hypervisor::Doorbells.
struct PortsResting {};
// Everything of it has been given back.
struct Ended {
    RelayId relay;
    End reason;
    std::string detail;
    bool opened;
    std::uint64_t bytes_sent;
    std::uint64_t bytes_received;
};
// The thread has run what ping() gave it.
struct Alive {
    std::uint32_t ping;
};
using Event = std::variant<Wanted, DoorError, Opened, PortsResting, Ended, Alive>;

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
    };
    // A channel that waits for a client in `peer`; rings of 2^order bytes.
    Offer serve(hypervisor::DomId peer, std::uint16_t order, sys::Address target);
    // A local socket whose programs are led to a server, one at a time; the others wait in its
    // backlog.
    DoorId open_door(sys::UniqueFd socket);
    void close_door(DoorId door);
    // The program that waits at the door gets this server. ENOENT: it is not there any more.
    RelayId connect(DoorId door, hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                    hypervisor::EventChannelPort port);
    // It gets an end-of-file.
    void refuse(DoorId door);
    // Ends a stream now, or an offer that nobody took.
    void terminate(RelayId relay);
    // See hypervisor::Doorbells::abandon().
    void abandon_hypervisor();
    void settle_hypervisor();
    // Reports Alive{number} soon; does not wait for it.
    void ping(std::uint32_t number);
    std::vector<Event> take_events();
    void stop();

  private:
    struct Door final : sys::Pollable {
        Door(Relays& owner, DoorId door_id, sys::UniqueFd listening)
            : relays(owner), id(door_id), socket(std::move(listening)) {}
        void on_ready(std::uint32_t) override { relays.accept(*this); }
        Relays& relays;
        const DoorId id;
        sys::UniqueFd socket;
        sys::UniqueFd waiting;  // accepted, not yet connected
        RelayId busy = 0;       // the stream that came through it
        sys::TimePoint resume_at = sys::kNever;
    };
    struct Bell {
        RelayId relay;
        int idle_rings = 0;
        sys::TimePoint quiet_until = sys::TimePoint::min();
    };
    template <typename Function>
    struct Handler final : sys::Pollable {
        explicit Handler(Function function) : call(std::move(function)) {}
        void on_ready(std::uint32_t) override { call(); }
        Function call;
    };

    void run();
    void rung();
    void serve_all();
    void turn(Relay& relay);
    void remove_ended();
    void accept(Door& door);
    void listen_again(Door& door);
    void rest(Door& door, int error);
    void end_rests();
    void report_deferred_closes();
    void release(std::unique_ptr<Relay> relay, std::optional<Ended> told);
    void reopen_door_of(RelayId relay);
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
    std::map<hypervisor::EventChannelPort, Bell> bells_;
    std::map<DoorId, std::unique_ptr<Door>> doors_;
    std::vector<std::unique_ptr<Door>> closed_doors_;
    std::set<RelayId> runnable_;
    std::set<RelayId> announced_;
    pump::Releaser releaser_;  // ends before the hypervisor's handles do
    std::mutex mutex_;
    std::vector<Event> events_;
    sys::TimePoint now_ = sys::Clock::now();
    std::uint32_t next_id_ = 1;
    bool deferred_closes_reported_ = false;
    bool stopping_ = false;
    std::atomic<bool> stopped_{false};
    std::thread thread_;
};

}  // namespace xsock::vchan

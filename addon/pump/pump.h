// A pump: a native thread that accepts, connects and copies. It owns its links (or lanes of links,
// if there are several pumps: pump/pumps.h), their streams, listeners and sockets; other threads
// reach it through its command queue and hear from it through the event queue that all pumps share.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "link/host.h"
#include "link/link.h"
#include "pump/command_queue.h"
#include "pump/doorbell_source.h"
#include "pump/event_queue.h"
#include "pump/info.h"
#include "pump/lane_coordinator.h"
#include "pump/linger.h"
#include "pump/listener.h"
#include "pump/orphans.h"
#include "pump/poller.h"
#include "sys/epoll.h"

namespace xsock::pump {

struct PumpOptions {
    std::uint32_t domid = 0;
    std::array<std::uint8_t, 16> instance{};
    abi::FeatureSet features = abi::kSupportedFeatures;
    link::Limits limits;
    std::size_t memory_total = std::size_t{512} << 20;
    link::Timings timings;
};

// Methods marked [any] may be called from any thread but the pump's, and wait for the pump unless
// their comment says otherwise. They throw std::system_error: ECANCELED after stop(), ENOLINK for a
// link that does not exist, else the errno of what failed.
class Pump final : public link::Host {
  public:
    // `coordinator` must outlive the pump's thread; `number` becomes part of the name of that
    // thread.
    Pump(hypervisor::Hypervisor hypervisor, hypervisor::Hypervisor self, const PumpOptions& options,
         LaneCoordinator& coordinator, std::shared_ptr<Shared> shared, unsigned number);
    ~Pump() override;

    using Offer = pump::Offer;
    // [any] Creates a lane of the link `id`, which the caller has allocated, to `peer` over pages
    // that we grant. `order` is log2 of a ring's bytes; 0: the default size, or, for a lane other
    // than the first, what channel::share_what_is_spare() finds (ENOSPC: nothing). ENOLINK: the
    // link has ended.
    Offer offer(link::LinkId id, hypervisor::DomId peer, std::uint16_t order,
                link::LaneRef lane_ref);
    // [any] The same over pages that `peer` granted.
    void connect(link::LinkId id, hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                 hypervisor::EventChannelPort port, link::LaneRef lane_ref);
    // [any] Announces a further lane to the peer, on the first one.
    void announce(link::LinkId link, const abi::Lane& lane);
    // [any] A link of this domain with itself.
    link::LinkId connect_self(std::uint16_t order);
    // [any] Ends a link; LinkReleased is reported when its pages have been released.
    void close_link(link::LinkId link, sys::Duration drain);
    // [any]
    void set_exports(link::LinkId link, std::shared_ptr<const link::ExportTable> exports);
    void send_services(link::LinkId link, std::vector<std::byte> message);
    void set_limits(const link::Limits& limits, std::size_t memory_total);
    // [any] Whether streams that open, and that close normally, are reported.
    void report_streams(bool wanted);
    bool terminate(link::LinkId link, link::StreamId stream);
    link::ListenerId listen(link::LinkId link, ServiceAddress service, sys::SocketKind kind,
                            sys::UniqueFd socket);
    void unlisten(link::ListenerId listener);
    std::vector<StreamInfo> streams();
    std::vector<LinkInfo> links();
    // [any] See hypervisor::Doorbells::domain_checked(); the answer to ClosesDeferred. If the
    // domain was restored, links are then closed in the usual way.
    void domain_checked(const hypervisor::DomainCheck& check);
    // [any] As close_link() with a drain, for a lane that may have ended already.
    void drain_lane(link::LinkId link, sys::Duration drain);
    // Any thread, other pumps' included; these return at once, and the pump does it if the link
    // still exists by then.
    void post_down(link::LinkId link, link::DownReason reason, std::string detail) noexcept;
    void post_poll(link::LinkId link) noexcept;
    void post_open(link::LinkId link, Accepted accepted) noexcept;
    // Any thread. Calls `done` on the pump's thread; does not wait for it.
    void ping(std::function<void()> done);
    // [any] Ends all links and the thread; the destructor does it otherwise. Further calls do
    // nothing.
    void stop();

    // link::Host, pump thread only.
    [[nodiscard]] sys::TimePoint now() const noexcept override { return now_; }
    [[nodiscard]] const link::Limits& limits() const noexcept override { return options_.limits; }
    [[nodiscard]] const link::Timings& timings() const noexcept override {
        return options_.timings;
    }
    [[nodiscard]] link::Budget& budget() noexcept override { return shared_->budget; }
    void watch(sys::Pollable& pollable, int fd, bool output) override;
    void watch_output(sys::Pollable& pollable, int fd) override;
    void unwatch(int fd) noexcept override { epoll_.remove(fd); }
    void defer_delete(std::unique_ptr<link::Stream> stream) override {
        retired_.push_back(std::move(stream));
    }
    void adopt_orphan(std::unique_ptr<link::Stream> stream, std::uint32_t peer) override {
        orphans_.adopt(std::move(stream), peer);
    }
    void linger(sys::UniqueFd fd, std::uint32_t peer) override;
    void await_first_bytes(sys::UniqueFd fd, std::uint32_t peer) override;
    void schedule(link::Link& link) noexcept override;
    [[nodiscard]] bool reports_streams() const noexcept override { return stream_reports_; }
    void report(link::Event event) override;

  private:
    struct Entry {
        std::unique_ptr<link::Link> link;
        DoorbellSource* source = nullptr;
        bool runnable = false;
        bool awake = false;        // served since notifications were last requested of its peer
        link::LinkId partner = 0;  // self link: the id of the other end
        bool quiet = false;        // self link, serving end: the other end reports for both
    };
    struct Wake final : sys::Pollable {
        explicit Wake(CommandQueue& queue) : commands(queue) {}
        void on_ready(std::uint32_t) override { commands.run(); }
        CommandQueue& commands;
    };

    void run();
    void turn();
    bool ask_kernel();
    void poll_links();
    void serve_links();
    void enable_notifications();
    void run_timers();
    void remove_dead_links();
    void released(link::LinkId link, const link::LaneRef& lane_ref, bool quiet);
    void report_deferred_closes();
    [[nodiscard]] int timeout_ms() const;
    Entry& find(link::LinkId link);
    void adopt(link::LinkId id, hypervisor::DomId peer, channel::ChannelMemory&& memory,
               DoorbellSource& source, hypervisor::EventChannelPort port, link::LaneRef lane_ref);
    [[nodiscard]] bool handled_by_coordinator(const link::Link& link,
                                              const link::Event& event) const;
    void accept(Listener& listener, sys::UniqueFd socket);
    void report_no_link(link::LinkId link, const link::Label& label, int socket);
    void pause(Listener& listener, int error);
    void close_listeners_of(link::LinkId link);

    hypervisor::Hypervisor hypervisor_;
    hypervisor::Hypervisor self_;
    PumpOptions options_;
    LaneCoordinator& coordinator_;
    const std::shared_ptr<Shared> shared_;
    EventQueue& events_;
    CommandQueue commands_;
    Wake wake_{commands_};
    sys::Epoll epoll_;
    DoorbellSource source_;
    DoorbellSource self_source_;
    LingerSet lingering_{epoll_};
    LingerSet refused_{epoll_, LingerSet::Until::kFirstBytes};
    // The last turn with work only passed bytes on to peers (see Poller::idle()).
    bool waits_for_peers_ = false;
    Orphans orphans_{*this};
    std::map<link::LinkId, Entry> links_;
    std::map<link::ListenerId, std::unique_ptr<Listener>> listeners_;
    std::vector<std::unique_ptr<link::Stream>> retired_;
    std::vector<std::unique_ptr<Listener>> closed_listeners_;
    std::vector<link::LinkId> runnable_;
    std::vector<link::LinkId> served_;  // of this turn; kept for its memory
    bool stream_reports_ = true;
    std::vector<link::LinkId> awake_;
    Poller poller_;
    int turns_without_kernel_ = 0;
    sys::TimePoint now_ = sys::Clock::now();
    bool stopping_ = false;
    std::atomic<bool> stopped_{false};
    std::thread thread_;
};

}  // namespace xsock::pump

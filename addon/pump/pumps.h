// The pumps of a daemon: one, or several where one CPU is not enough. Links are distributed among
// them, and a link has a lane on as many pumps as both of its ends have. With one pump, links have
// one lane.
//
// All methods may be called from any thread but the pumps'; errors are those of Pump.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "pump/lane_coordinator.h"
#include "pump/pump.h"

namespace xsock::pump {

// The hypervisor handles of one pump: for links with peers, and for the domain's link with itself.
struct HypervisorHandles {
    hypervisor::Hypervisor hypervisor;
    hypervisor::Hypervisor self;
};

class Pumps final : private LaneCoordinator {
  public:
    // One pump for each of `hypervisors` (1..kMaxLanes): a doorbell handle belongs to one thread.
    // `wake` is called on the pumps' and the releaser's threads when there are events to take; it
    // must not block.
    Pumps(std::vector<HypervisorHandles> hypervisors, const PumpOptions& options,
          const std::function<void()>& wake);
    ~Pumps() override;
    Pumps(const Pumps&) = delete;
    Pumps& operator=(const Pumps&) = delete;

    Pump::Offer offer(hypervisor::DomId peer, std::uint16_t order);
    link::LinkId connect(hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                         hypervisor::EventChannelPort port);
    link::LinkId connect_self(std::uint16_t order);
    // Grants a further lane of a link that is up, and announces it to the peer; order 0: what is
    // spare (channel/ring_size.h). EINVAL: no link of ours has a lane of that number; EEXIST: this
    // one has it already.
    void offer_lane(link::LinkId link, unsigned lane, std::uint16_t order);
    // Maps one that the peer has offered.
    void connect_lane(link::LinkId link, unsigned lane, hypervisor::GrantRef ring_ref,
                      hypervisor::EventChannelPort port);
    void close_link(link::LinkId link, sys::Duration drain);
    void set_exports(link::LinkId link, std::shared_ptr<const link::ExportTable> exports);
    void send_services(link::LinkId link, std::vector<std::byte> message);
    void set_limits(const link::Limits& limits, std::size_t memory_total);
    void report_streams(bool wanted);
    bool terminate(link::LinkId link, link::StreamId stream);
    link::ListenerId listen(link::LinkId link, ServiceAddress service, sys::SocketKind kind,
                            sys::UniqueFd socket);
    void unlisten(link::ListenerId listener);
    std::vector<StreamInfo> streams();
    // One for each link, the sum of its lanes.
    std::vector<LinkInfo> links();
    void domain_checked(const hypervisor::DomainCheck& check);
    // Reports Alive{number} once every pump has run a command; waits for none of them.
    void ping(std::uint32_t number);
    // In the order in which they were reported.
    std::vector<Event> take_events();
    void stop();

  private:
    struct LinkRecord {
        hypervisor::DomId peer = 0;
        std::shared_ptr<link::Lanes> lanes;
    };

    void lane_down(const link::Lanes& lanes, link::LinkId link, unsigned lane,
                   link::DownReason reason, const std::string& detail) noexcept override;
    void lane_released(const link::Lanes& lanes, link::LinkId link) noexcept override;
    void link_released() noexcept override;
    void hand_over(const link::Lanes& lanes, link::LinkId link, unsigned lane,
                   Accepted accepted) noexcept override;

    [[nodiscard]] Pump& pump_of(const link::Lanes& lanes, unsigned lane) noexcept;
    void await_releases();
    link::LinkId introduce(hypervisor::DomId peer);
    void forget(link::LinkId link);
    LinkRecord find(link::LinkId link);
    LinkRecord find_further(link::LinkId link, unsigned lane);

    const std::shared_ptr<Shared> shared_;
    std::vector<std::unique_ptr<Pump>> pumps_;
    std::mutex mutex_;  // never held while a pump is waited for
    std::condition_variable link_released_;
    std::map<link::LinkId, LinkRecord> links_;
    unsigned next_home_ = 0;
};

}  // namespace xsock::pump

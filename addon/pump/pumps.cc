#include "pump/pumps.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "schema/sum.h"
#include "sys/error.h"

namespace xsock::pump {

using link::LinkId;

namespace {

constexpr sys::Duration kReleaseTime = sys::milliseconds(2000);

}  // namespace

Pumps::Pumps(std::vector<HypervisorHandles> hypervisors, const PumpOptions& options,
             const std::function<void()>& wake)
    : shared_(std::make_shared<Shared>(options.memory_total, wake)) {
    LaneCoordinator& coordinator = *this;
    unsigned number = 0;
    for (auto& [hypervisor, self] : hypervisors) {
        pumps_.push_back(std::make_unique<Pump>(std::move(hypervisor), std::move(self), options,
                                                coordinator, shared_, number++));
    }
}

Pumps::~Pumps() {
    stop();
}

void Pumps::stop() {
    for (const auto& pump : pumps_) {
        pump->stop();
    }
    shared_->releaser.stop();
}

Pump& Pumps::pump_of(const link::Lanes& lanes, unsigned lane) noexcept {
    return *pumps_[(lanes.home + lane) % pumps_.size()];
}

// The record is made before the link: the end of the link may be reported before its creator learns
// its id.
LinkId Pumps::introduce(hypervisor::DomId peer) {
    const auto count = static_cast<unsigned>(pumps_.size());
    const LinkId id = shared_->next_link++;
    const std::lock_guard lock(mutex_);
    links_[id] = {peer, std::make_shared<link::Lanes>(next_home_++ % count, count)};
    return id;
}

void Pumps::forget(LinkId id) {
    const std::lock_guard lock(mutex_);
    links_.erase(id);
}

Pumps::LinkRecord Pumps::find(LinkId id) {
    const std::lock_guard lock(mutex_);
    const auto it = links_.find(id);
    if (it == links_.end()) {
        sys::throw_errno("link", ENOLINK);
    }
    return it->second;
}

// Links that have ended hold their pages for a moment longer; still counted as granted, these would
// make the next link's rings smaller. The wait is bounded: a hypervisor may not answer.
void Pumps::await_releases() {
    std::unique_lock lock(mutex_);
    link_released_.wait_for(lock, kReleaseTime, [this] {
        return std::none_of(links_.begin(), links_.end(),
                            [](const auto& entry) { return entry.second.lanes->leaving(); });
    });
}

void Pumps::link_released() noexcept {
    {
        // Pairs with the wait: the waiter holds the mutex from its check until it sleeps.
        const std::lock_guard lock(mutex_);
    }
    link_released_.notify_all();
}

Pump::Offer Pumps::offer(hypervisor::DomId peer, std::uint16_t order) {
    if (order == 0) {
        await_releases();
    }
    const LinkId id = introduce(peer);
    try {
        const std::shared_ptr<link::Lanes> lanes = find(id).lanes;
        return pump_of(*lanes, 0).offer(id, peer, order, {lanes, 0});
    } catch (...) {
        forget(id);
        throw;
    }
}

LinkId Pumps::connect(hypervisor::DomId peer, hypervisor::GrantRef ring_ref,
                      hypervisor::EventChannelPort port) {
    const LinkId id = introduce(peer);
    try {
        const std::shared_ptr<link::Lanes> lanes = find(id).lanes;
        pump_of(*lanes, 0).connect(id, peer, ring_ref, port, {lanes, 0});
        return id;
    } catch (...) {
        forget(id);
        throw;
    }
}

LinkId Pumps::connect_self(std::uint16_t order) {
    const LinkId id = pumps_[0]->connect_self(order);
    const std::lock_guard lock(mutex_);
    links_[id] = {0, std::make_shared<link::Lanes>()};
    return id;
}

// Lane 0 is created with its link, so it is not a further one.
Pumps::LinkRecord Pumps::find_further(LinkId id, unsigned lane) {
    LinkRecord record = find(id);
    if (lane < 1 || lane >= record.lanes->max_lanes) {
        sys::throw_errno("lane", EINVAL);
    }
    return record;
}

void Pumps::offer_lane(LinkId id, unsigned lane, std::uint16_t order) {
    const LinkRecord record = find_further(id, lane);
    if (order == 0) {
        await_releases();
    }
    const Pump::Offer made =
        pump_of(*record.lanes, lane).offer(id, record.peer, order, {record.lanes, lane});
    pump_of(*record.lanes, 0).announce(id, {lane, made.ring_ref, made.port, 0});
}

void Pumps::connect_lane(LinkId id, unsigned lane, hypervisor::GrantRef ring_ref,
                         hypervisor::EventChannelPort port) {
    const LinkRecord record = find_further(id, lane);
    pump_of(*record.lanes, lane).connect(id, record.peer, ring_ref, port, {record.lanes, lane});
}

void Pumps::close_link(LinkId id, sys::Duration drain) {
    const LinkRecord record = find(id);
    // Without a drain, the end of the first lane closes the others.
    for (unsigned lane = 1; lane < record.lanes->max_lanes && drain > sys::Duration::zero();
         ++lane) {
        pump_of(*record.lanes, lane).drain_lane(id, drain);
    }
    pump_of(*record.lanes, 0).close_link(id, drain);
}

void Pumps::set_exports(LinkId id, std::shared_ptr<const link::ExportTable> exports) {
    pump_of(*find(id).lanes, 0).set_exports(id, std::move(exports));
}

void Pumps::send_services(LinkId id, std::vector<std::byte> message) {
    pump_of(*find(id).lanes, 0).send_services(id, std::move(message));
}

void Pumps::set_limits(const link::Limits& limits, std::size_t memory_total) {
    for (const auto& pump : pumps_) {
        pump->set_limits(limits, memory_total);
    }
}

void Pumps::report_streams(bool wanted) {
    for (const auto& pump : pumps_) {
        pump->report_streams(wanted);
    }
}

bool Pumps::terminate(LinkId id, link::StreamId stream) {
    const LinkRecord record = find(id);
    const unsigned lane = stream >> abi::kStreamLaneShift;
    return lane < record.lanes->max_lanes && pump_of(*record.lanes, lane).terminate(id, stream);
}

link::ListenerId Pumps::listen(LinkId id, ServiceAddress service, sys::SocketKind kind,
                               sys::UniqueFd socket) {
    return pump_of(*find(id).lanes, 0).listen(id, std::move(service), kind, std::move(socket));
}

void Pumps::unlisten(link::ListenerId listener) {
    for (const auto& pump : pumps_) {
        pump->unlisten(listener);
    }
}

std::vector<StreamInfo> Pumps::streams() {
    std::vector<StreamInfo> result;
    for (const auto& pump : pumps_) {
        std::vector<StreamInfo> some = pump->streams();
        result.insert(result.end(), std::make_move_iterator(some.begin()),
                      std::make_move_iterator(some.end()));
    }
    return result;
}

std::vector<LinkInfo> Pumps::links() {
    std::map<LinkId, LinkInfo> sums;
    for (const auto& pump : pumps_) {
        for (const LinkInfo& info : pump->links()) {
            const auto [sum, added] = sums.try_emplace(info.link, info);
            if (!added) {
                schema::add(sum->second, info);
            }
        }
    }
    std::vector<LinkInfo> result;
    for (const auto& [id, sum] : sums) {
        result.push_back(sum);
    }
    return result;
}

void Pumps::domain_checked(const hypervisor::DomainCheck& check) {
    for (const auto& pump : pumps_) {
        pump->domain_checked(check);
    }
}

void Pumps::ping(std::uint32_t number) {
    const auto left = std::make_shared<std::atomic<std::size_t>>(pumps_.size());
    for (const auto& pump : pumps_) {
        pump->ping([shared = shared_, left, number] {
            if (left->fetch_sub(1) == 1) {
                shared->events.push(Alive{number}, sys::Clock::now());
            }
        });
    }
}

std::vector<Event> Pumps::take_events() {
    std::vector<Event> result = shared_->events.take();
    const std::lock_guard lock(mutex_);
    for (const Event& event : result) {
        if (const auto* released = std::get_if<LinkReleased>(&event)) {
            links_.erase(released->link);
        }
    }
    return result;
}

// On the thread of the pump that runs the lane, as is hand_over(). lane_released() and
// link_released() run where the lane's pages were released (Pump::released()).
void Pumps::lane_down(const link::Lanes& lanes, LinkId id, unsigned lane, link::DownReason reason,
                      const std::string& detail) noexcept {
    if (lane == 0) {
        for (unsigned other = 1; other < lanes.max_lanes; ++other) {
            pump_of(lanes, other).post_down(id, link::DownReason::kClosed, "");
        }
    } else if (reason != link::DownReason::kGoodbye && reason != link::DownReason::kClosed) {
        pump_of(lanes, 0).post_down(
            id, reason,
            "lane " + std::to_string(lane) + (detail.empty() ? " is over" : ": " + detail));
    }
}

void Pumps::lane_released(const link::Lanes& lanes, LinkId id) noexcept {
    pump_of(lanes, 0).post_poll(id);
}

void Pumps::hand_over(const link::Lanes& lanes, LinkId id, unsigned lane,
                      Accepted accepted) noexcept {
    pump_of(lanes, lane).post_open(id, std::move(accepted));
}

}  // namespace xsock::pump

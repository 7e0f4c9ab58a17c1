#include "pump/pump.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>

#include "sys/error.h"
#include "sys/scheduling.h"
#include "sys/thread_name.h"

namespace xsock::pump {

using link::LinkId;
using link::LinkState;
using link::ListenerId;

namespace {

constexpr std::size_t kEventsPerTurn = 256;
constexpr std::uint32_t kInput = EPOLLIN | EPOLLRDHUP | EPOLLET;
// While links have work, epoll is polled only every kTurnsWithoutKernel turns or
// kTimeWithoutKernel, whichever comes first.
constexpr int kTurnsWithoutKernel = 8;
constexpr sys::Duration kTimeWithoutKernel = std::chrono::microseconds(20);
// With a short slice the pump runs again sooner after a program that it woke has preempted it.
constexpr sys::Duration kSlice = std::chrono::microseconds(100);
// A listener on which accept() failed (out of descriptors) is tried again after this.
constexpr sys::Duration kListenerPause = sys::milliseconds(100);

}  // namespace

Pump::Pump(hypervisor::Hypervisor hypervisor, hypervisor::Hypervisor self,
           const PumpOptions& options, LaneCoordinator& coordinator, std::shared_ptr<Shared> shared,
           unsigned number)
    : hypervisor_(std::move(hypervisor)),
      self_(std::move(self)),
      options_(options),
      coordinator_(coordinator),
      shared_(std::move(shared)),
      events_(shared_->events),
      source_(
          *hypervisor_.doorbells, [this](link::Link& link) { schedule(link); },
          [this](const std::string& detail) {
              epoll_.remove(hypervisor_.doorbells->fd());
              events_.push(HypervisorGone{detail}, now_);
          }),
      self_source_(
          *self_.doorbells, [this](link::Link& link) { schedule(link); },
          [](const std::string&) {}),
      poller_(options.timings.longest_poll) {
    epoll_.add(commands_.fd(), EPOLLIN, sys::tag_of(wake_));
    epoll_.add(hypervisor_.doorbells->fd(), EPOLLIN, sys::tag_of(source_));
    epoll_.add(self_.doorbells->fd(), EPOLLIN, sys::tag_of(self_source_));
    thread_ = std::thread([this, number] {
        sys::name_thread("xsock-pump-" + std::to_string(number));
        run();
    });
}

Pump::~Pump() {
    stop();
}

void Pump::stop() {
    if (stopped_.exchange(true)) {
        return;
    }
    commands_.post([this] { stopping_ = true; });
    thread_.join();
}

void Pump::run() {
    sys::ask_for_slice(kSlice);
    while (!stopping_) {
        turn();
    }
    for (auto& [id, entry] : links_) {
        entry.link->down(link::DownReason::kClosed, "");
    }
    remove_dead_links();
    listeners_.clear();
    commands_.close();
}

// Works; with nothing to do, polls briefly before sleeping (pump/poller.h).
void Pump::turn() {
    poll_links();
    bool working = !runnable_.empty();
    if (!working || ++turns_without_kernel_ >= kTurnsWithoutKernel ||
        sys::Clock::now() - now_ >= kTimeWithoutKernel) {
        turns_without_kernel_ = 0;
        working = ask_kernel() || working;
    }
    if (working) {
        poller_.found(now_);
    }
    serve_links();
    run_timers();
    remove_dead_links();
    orphans_.sweep();
    lingering_.sweep(now_);
    refused_.sweep(now_);
    events_.flush(now_);
    retired_.clear();
    closed_listeners_.clear();
}

// Handles epoll events; sleeps until there are any if there is no work. True: there is some now.
bool Pump::ask_kernel() {
    std::array<epoll_event, kEventsPerTurn> events;
    int timeout = 0;
    if (runnable_.empty() && !stopping_) {
        switch (poller_.idle(now_, waits_for_peers_)) {
            case Idle::kPoll:
                break;
            case Idle::kYieldAndPoll:
                // The programs at both ends may want this CPU.
                ::sched_yield();
                poll_links();
                if (!runnable_.empty()) {
                    now_ = sys::Clock::now();
                    return true;
                }
                break;
            case Idle::kSleep:
                enable_notifications();
                timeout = timeout_ms();
                break;
        }
    }
    const std::size_t count = epoll_.wait(events, timeout);
    now_ = sys::Clock::now();
    for (std::size_t i = 0; i < count; ++i) {
        reinterpret_cast<sys::Pollable*>(events[i].data.u64)->on_ready(events[i].events);
    }
    return count > 0;
}

// While the pump does not sleep, peers send no notifications: it polls what they write.
void Pump::poll_links() {
    for (const LinkId id : awake_) {
        const auto it = links_.find(id);
        if (it != links_.end() && !it->second.runnable && it->second.link->poll()) {
            schedule(*it->second.link);
        }
    }
}

void Pump::enable_notifications() {
    for (const LinkId id : awake_) {
        const auto it = links_.find(id);
        if (it == links_.end()) {
            continue;
        }
        it->second.awake = false;
        if (it->second.link->enable_notifications()) {
            schedule(*it->second.link);
        }
    }
    awake_.clear();
}

// Each runnable link gets one bounded turn; the remainder waits until the others had theirs.
void Pump::serve_links() {
    served_.clear();
    served_.swap(runnable_);
    bool waits = !served_.empty();
    for (const LinkId id : served_) {
        const auto it = links_.find(id);
        if (it == links_.end()) {
            continue;
        }
        Entry& entry = it->second;
        entry.runnable = false;
        if (!entry.awake) {
            entry.awake = true;
            awake_.push_back(id);
        }
        bool progress = false;
        const link::LinkCounters before = entry.link->counters();
        if (entry.link->service(progress)) {
            schedule(*entry.link);
        }
        const link::LinkCounters& after = entry.link->counters();
        waits = waits && after.bytes_sent != before.bytes_sent &&
                after.frames_received == before.frames_received;
        entry.source->unmask(*entry.link, progress, now_);
    }
    if (!served_.empty()) {
        waits_for_peers_ = waits;
    }
}

void Pump::run_timers() {
    source_.tick(now_);
    self_source_.tick(now_);
    for (auto& [id, entry] : links_) {
        if (now_ >= entry.link->deadline()) {
            entry.link->tick();
        }
    }
    for (auto& [id, listener] : listeners_) {
        if (now_ >= listener->resume_at) {
            listener->resume_at = sys::kNever;
            try {
                epoll_.add(listener->fd.get(), EPOLLIN, sys::tag_of(*listener));
            } catch (const std::system_error& error) {  // out of watches
                pause(*listener, error.code().value());
            }
        }
    }
}

int Pump::timeout_ms() const {
    if (!runnable_.empty() || stopping_) {
        return 0;
    }
    sys::TimePoint next =
        std::min({source_.deadline(), self_source_.deadline(), lingering_.deadline(),
                  refused_.deadline(), events_.deadline()});
    for (const auto& [id, entry] : links_) {
        next = std::min(next, entry.link->deadline());
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

void Pump::remove_dead_links() {
    for (auto it = links_.begin(); it != links_.end();) {
        Entry& entry = it->second;
        if (entry.link->state() != LinkState::kDown) {
            ++it;
            continue;
        }
        close_listeners_of(it->first);
        entry.source->remove(*entry.link);
        const bool quiet = entry.quiet;
        auto release = [this, quiet, link = std::move(entry.link)]() mutable {
            hypervisor::Doorbells& doorbells = link->doorbells();
            const hypervisor::EventChannelPort port = link->port();
            const link::LaneRef lane_ref = link->lane_ref();
            const LinkId id = link->id();
            link.reset();           // unmap-notify sends on the port,
            doorbells.close(port);  // which is therefore closed last
            released(id, lane_ref, quiet);
        };
        if (entry.source == &self_source_) {
            release();  // private memory, used by this thread only
        } else {
            shared_->releaser.add(Releaser::Task(std::move(release)));
        }
        it = links_.erase(it);
    }
}

// On the releaser's thread, or on ours for the self link.
void Pump::released(LinkId id, const link::LaneRef& lane_ref, bool quiet) {
    if (lane_ref.lanes->leave()) {
        if (!quiet) {
            events_.push(LinkReleased{id}, sys::Clock::now());
            coordinator_.link_released();
        }
    } else if (lane_ref.number > 0) {
        coordinator_.lane_released(*lane_ref.lanes, id);
    }
    report_deferred_closes();
}

// Any thread, after a port was closed.
void Pump::report_deferred_closes() {
    std::vector<hypervisor::EventChannelPort> ports = hypervisor_.doorbells->take_deferred_closes();
    if (!ports.empty()) {
        events_.push(ClosesDeferred{std::move(ports)}, sys::Clock::now());
    }
}

Pump::Entry& Pump::find(LinkId id) {
    const auto it = links_.find(id);
    if (it == links_.end()) {
        sys::throw_errno("link", ENOLINK);
    }
    return it->second;
}

void Pump::close_listeners_of(LinkId id) {
    for (auto it = listeners_.begin(); it != listeners_.end();) {
        if (it->second->link == id) {
            epoll_.remove(it->second->fd.get());
            it->second->fd.reset();
            closed_listeners_.push_back(std::move(it->second));
            it = listeners_.erase(it);
        } else {
            ++it;
        }
    }
}

void Pump::watch(sys::Pollable& pollable, int fd, bool output) {
    epoll_.add(fd, kInput | (output ? EPOLLOUT : 0U), sys::tag_of(pollable));
}

void Pump::watch_output(sys::Pollable& pollable, int fd) {
    epoll_.modify(fd, kInput | EPOLLOUT, sys::tag_of(pollable));
}

void Pump::linger(sys::UniqueFd fd, std::uint32_t peer) {
    lingering_.add(std::move(fd), peer, now_);
}

void Pump::await_first_bytes(sys::UniqueFd fd, std::uint32_t peer) {
    refused_.add(std::move(fd), peer, now_);
}

void Pump::schedule(link::Link& link) noexcept {
    const auto it = links_.find(link.id());
    if (it != links_.end() && !it->second.runnable) {
        it->second.runnable = true;
        runnable_.push_back(link.id());
    }
}

// The first lane reports for its link: events of the others go to the coordinator, or nowhere.
bool Pump::handled_by_coordinator(const link::Link& link, const link::Event& event) const {
    if (const auto* down = std::get_if<link::LinkDown>(&event)) {
        if (link.lanes().max_lanes > 1) {
            coordinator_.lane_down(link.lanes(), link.id(), link.lane(), down->reason,
                                   down->detail);
        }
        return link.lane() > 0;
    }
    return link.lane() > 0 && (std::holds_alternative<link::LinkUp>(event) ||
                               std::holds_alternative<link::LinkDraining>(event));
}

// The serving end of the self link only reports refusals: the calling end lacks their details.
void Pump::report(link::Event event) {
    const LinkId id = link_of(event);
    const auto it = links_.find(id);
    if (it != links_.end() && handled_by_coordinator(*it->second.link, event)) {
        return;
    }
    if (it != links_.end() && it->second.quiet) {
        auto* refused = std::get_if<link::StreamRefused>(&event);
        if (refused == nullptr) {
            return;
        }
        refused->link = it->second.partner;
    }
    events_.push(from_link(std::move(event)), now_);
}

void Pump::accept(Listener& listener, sys::UniqueFd socket) {
    const auto it = links_.find(listener.link);
    if (it == links_.end()) {
        report_no_link(listener.link, listener.label, socket.get());
        return;
    }
    link::Link& link = *it->second.link;
    const unsigned lane = link.lanes().max_lanes > 1 ? link.lanes().choose() : 0;
    if (lane > 0) {
        coordinator_.hand_over(
            link.lanes(), link.id(), lane,
            {std::move(socket), listener.kind, listener.label, listener.service.port});
        return;
    }
    link.open(std::move(socket), listener.kind, listener.label, listener.service.port);
}

// The link went down between a program's connect() and our accept().
void Pump::report_no_link(LinkId id, const link::Label& label, int socket) {
    report(link::StreamRefused{id, 0, link::Direction::kOutgoing, *label, link::Refusal::kLinkDown,
                               "", sys::program_of(socket)});
}

void Pump::pause(Listener& listener, int error) {
    epoll_.remove(listener.fd.get());
    listener.resume_at = now_ + kListenerPause;
    events_.push(ListenerError{listener.id, std::generic_category().message(error)}, now_);
}

}  // namespace xsock::pump

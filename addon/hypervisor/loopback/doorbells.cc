#include "hypervisor/loopback/doorbells.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "hypervisor/loopback/notification.h"
#include "sys/epoll.h"
#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

constexpr std::uint64_t kMachineTag = 0;  // no port is 0
// Received notifications are read out of the socket only now and then, since that costs a system
// call. A peer notifies us at most twice for each request, so few of the 277 or more that a socket
// holds by default are in use by then; a peer that sends more fills only its own socket to us.
constexpr unsigned kTakeEvery = 16;

class LoopbackDoorbells final : public Doorbells {
  public:
    LoopbackDoorbells(std::shared_ptr<Hypercall> hypercall, std::shared_ptr<Hypercall> watched)
        : hypercall_(std::move(hypercall)), watched_(std::move(watched)) {
        epoll_.add(hypercall_->fd(), EPOLLRDHUP, kMachineTag);
        epoll_.add(watched_->fd(), EPOLLRDHUP, kMachineTag);
    }

    [[nodiscard]] int fd() const noexcept override { return epoll_.fd(); }

    EventChannelPort allocate_unbound(DomId peer) override {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kAllocateUnbound);
        request.peer = peer;
        return hold(hypercall_->call(request, "allocate_unbound"));
    }
    EventChannelPort bind_interdomain(DomId peer, EventChannelPort peer_port) override {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kBindInterdomain);
        request.peer = peer;
        request.port = peer_port;
        return hold(hypercall_->call(request, "bind_interdomain"));
    }
    void close(EventChannelPort number) noexcept override {
        {
            const std::lock_guard lock(mutex_);
            const auto it = ports_.find(number);
            if (it == ports_.end()) {
                return;
            }
            // The machine keeps the socket open, so closing our descriptor does not unregister it.
            epoll_.remove(it->second.socket.get());
            ports_.erase(it);
        }
        give_back(number);
    }
    void notify(EventChannelPort number) noexcept override {
        const std::lock_guard lock(mutex_);
        if (const auto it = ports_.find(number); it != ports_.end()) {
            send_notification(it->second.socket);
        }
    }

    std::size_t drain(std::span<EventChannelPort> out) override {
        std::array<epoll_event, 64> events;
        const std::size_t count =
            epoll_.wait(std::span(events).first(std::min(events.size(), out.size())), 0);
        std::size_t filled = 0;
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < count; ++i) {
            if (events[i].data.u64 == kMachineTag) {
                sys::throw_errno("loopback hypervisor", ENODEV);
            }
            const auto number = static_cast<EventChannelPort>(events[i].data.u64);
            const auto it = ports_.find(number);
            if (it == ports_.end()) {
                continue;  // closed by another thread since
            }
            Port& port = it->second;
            if (port.masking == Masking::kUnmasked) {
                if (++port.heard % kTakeEvery == 0) {
                    take_notifications(port.socket);
                }
                port.masking = Masking::kQuiet;
                out[filled++] = number;
            } else {
                // Notified although masked: removed from the epoll set, so that it cannot keep us
                // busy.
                port.masking = Masking::kSilenced;
                epoll_.modify(port.socket.get(), 0, number);
            }
        }
        return filled;
    }
    void unmask(EventChannelPort number) noexcept override {
        const std::lock_guard lock(mutex_);
        const auto it = ports_.find(number);
        if (it == ports_.end()) {
            return;
        }
        if (it->second.masking == Masking::kSilenced) {
            // Notifications since then are still in the socket, so this reports them at once.
            epoll_.modify(it->second.socket.get(), EPOLLIN | EPOLLET, number);
        }
        it->second.masking = Masking::kUnmasked;
    }

  private:
    enum class Masking : std::uint8_t {
        kUnmasked,
        kQuiet,     // masked, and not notified since
        kSilenced,  // masked, notified since, not in the epoll set until unmasked
    };
    // Edge-triggered: each notification of the peer is a new edge.
    struct Port {
        sys::UniqueFd socket;
        Masking masking = Masking::kUnmasked;
        unsigned heard = 0;
    };

    EventChannelPort hold(Answer answer) {
        const EventChannelPort number = answer.value;
        try {
            if (answer.fds.size() != 1) {
                sys::throw_errno("event channel", EPROTO);
            }
            const std::lock_guard lock(mutex_);
            epoll_.add(answer.fds[0].get(), EPOLLIN | EPOLLET, number);
            ports_.insert_or_assign(number, Port{std::move(answer.fds[0])});
        } catch (...) {
            give_back(number);
            throw;
        }
        return number;
    }
    void give_back(EventChannelPort number) noexcept {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kClosePort);
        request.port = number;
        hypercall_->release(request);
    }

    const std::shared_ptr<Hypercall> hypercall_;
    const std::shared_ptr<Hypercall> watched_;
    sys::Epoll epoll_;
    std::mutex mutex_;  // never held while the machine is waited for
    std::map<EventChannelPort, Port> ports_;
};

}  // namespace

std::unique_ptr<Doorbells> make_doorbells(std::shared_ptr<Hypercall> hypercall,
                                          std::shared_ptr<Hypercall> watched) {
    return std::make_unique<LoopbackDoorbells>(std::move(hypercall), std::move(watched));
}

}  // namespace xsock::hypervisor::loopback

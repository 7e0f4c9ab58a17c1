#include "hypervisor/loopback/doorbells.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

#include "hypervisor/loopback/event_channels.h"
#include "hypervisor/loopback/hypercall.h"
#include "sys/epoll.h"
#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

constexpr std::uint64_t kMachineTag = 0;  // no port is 0

class LoopbackDoorbells final : public Doorbells {
  public:
    explicit LoopbackDoorbells(const std::string& socket_path) : hypercall_(socket_path) {
        epoll_.add(hypercall_.fd(), EPOLLRDHUP, kMachineTag);
    }

    [[nodiscard]] int fd() const noexcept override { return epoll_.fd(); }

    EventChannelPort allocate_unbound(DomId peer) override {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kAllocateUnbound);
        request.peer = peer;
        return hold(hypercall_.call(request, "allocate_unbound"));
    }
    EventChannelPort bind_interdomain(DomId peer, EventChannelPort peer_port) override {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kBindInterdomain);
        request.peer = peer;
        request.port = peer_port;
        return hold(hypercall_.call(request, "bind_interdomain"));
    }
    void close(EventChannelPort number) noexcept override {
        const auto it = ports_.find(number);
        if (it == ports_.end()) {
            return;
        }
        // The eventfd lives on in other processes, so closing ours would not end its registration.
        epoll_.remove(it->second.inbound.get());
        ports_.erase(it);
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kClosePort);
        request.port = number;
        try {
            hypercall_.call(request, "close");
        } catch (const std::system_error&) {
            // The machine is gone and the port with it.
            return;
        }
    }
    void notify(EventChannelPort number) noexcept override {
        if (const auto it = ports_.find(number); it != ports_.end()) {
            ring_eventfd(it->second.outbound);
        }
    }

    std::size_t drain(std::span<EventChannelPort> out) override {
        std::array<epoll_event, 64> events;
        const std::size_t count =
            epoll_.wait(std::span(events).first(std::min(events.size(), out.size())), 0);
        std::size_t filled = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (events[i].data.u64 == kMachineTag) {
                sys::throw_errno("loopback hypervisor", ENODEV);
            }
            const auto number = static_cast<EventChannelPort>(events[i].data.u64);
            Port& port = ports_.at(number);
            if (port.masking == Masking::kUnmasked) {
                port.masking = Masking::kQuiet;
                out[filled++] = number;
            } else {
                // It rings although it is masked: silence it, so that it cannot keep us busy.
                port.masking = Masking::kSilenced;
                epoll_.modify(port.inbound.get(), 0, number);
            }
        }
        return filled;
    }
    void unmask(EventChannelPort number) noexcept override {
        const auto it = ports_.find(number);
        if (it == ports_.end()) {
            return;
        }
        if (it->second.masking == Masking::kSilenced) {
            // The eventfd is never read, so this reports it again at once: the ring is not lost.
            epoll_.modify(it->second.inbound.get(), EPOLLIN | EPOLLET, number);
        }
        it->second.masking = Masking::kUnmasked;
    }

  private:
    enum class Masking : std::uint8_t {
        kUnmasked,
        kQuiet,     // masked, and has not rung since
        kSilenced,  // masked, rang since, out of the epoll set until unmasked
    };
    // Edge-triggered and never read: each write of the peer is a new edge, and costs us no read.
    struct Port {
        sys::UniqueFd inbound;
        sys::UniqueFd outbound;
        Masking masking = Masking::kUnmasked;
    };

    EventChannelPort hold(Answer answer) {
        if (answer.fds.size() != 2) {
            sys::throw_errno("event channel", EPROTO);
        }
        const EventChannelPort number = answer.value;
        Port port{std::move(answer.fds[0]), std::move(answer.fds[1])};
        epoll_.add(port.inbound.get(), EPOLLIN | EPOLLET, number);
        ports_.insert_or_assign(number, std::move(port));
        return number;
    }

    Hypercall hypercall_;
    sys::Epoll epoll_;
    std::map<EventChannelPort, Port> ports_;
};

}  // namespace

std::unique_ptr<Doorbells> connect_doorbells(const std::string& socket_path) {
    return std::make_unique<LoopbackDoorbells>(socket_path);
}

}  // namespace xsock::hypervisor::loopback

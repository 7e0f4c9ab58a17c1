#include "hypervisor/xen/doorbells.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <vector>

#include "hypervisor/deferred_closes.h"
#include "hypervisor/xen/device_error.h"
#include "hypervisor/xen/library.h"
#include "sys/error.h"

namespace xsock::hypervisor::xen {

namespace {

class XenDoorbells final : public Doorbells {
  public:
    XenDoorbells() : library_(event_library()), handle_(library_.open(nullptr, 0)) {
        if (handle_ == nullptr) {
            throw_device_error("evtchn", errno);
        }
        ::fcntl(fd(), F_SETFL, ::fcntl(fd(), F_GETFL) | O_NONBLOCK);
    }
    XenDoorbells(const XenDoorbells&) = delete;
    XenDoorbells& operator=(const XenDoorbells&) = delete;
    // Linux (6.1, drivers/xen/evtchn.c) hits a BUG when a port that was lost in a restore is
    // closed, be it alone or with the handle. A link may end, and close its port, before the
    // restore is noticed: so each close is deferred until it is known that there was none, and the
    // ports of a restored domain stay open.
    ~XenDoorbells() override {
        if (!restored_) {
            library_.close(handle_);
        }
    }

    [[nodiscard]] int fd() const noexcept override { return library_.fd(handle_); }

    EventChannelPort allocate_unbound(DomId peer) override {
        must_be_ours();
        return valid(library_.bind_unbound_port(handle_, peer), "evtchn bind_unbound_port");
    }
    EventChannelPort bind_interdomain(DomId peer, EventChannelPort peer_port) override {
        must_be_ours();
        return valid(library_.bind_interdomain(handle_, peer, peer_port),
                     "evtchn bind_interdomain");
    }
    void close(EventChannelPort port) noexcept override { deferred_.add(port); }
    [[nodiscard]] std::vector<EventChannelPort> take_deferred_closes() override {
        return deferred_.take();
    }
    void domain_checked(const DomainCheck& check) noexcept override {
        if (check.restored) {
            restored_ = true;
        }
        if (restored_) {
            return;
        }
        for (const EventChannelPort port : deferred_.remove(check.ports)) {
            library_.unbind(handle_, port);
        }
    }
    void notify(EventChannelPort port) noexcept override {
        if (!restored_) {
            library_.notify(handle_, port);
        }
    }

    // Polls first: the device may block in read() even when it is non-blocking.
    std::size_t drain(std::span<EventChannelPort> out) override {
        if (restored_) {
            return 0;
        }
        pollfd ready{fd(), POLLIN, 0};
        if (::poll(&ready, 1, 0) <= 0) {
            return 0;
        }
        if ((ready.revents & POLLERR) != 0) {
            sys::throw_errno("/dev/xen/evtchn overflowed", ENODEV);
        }
        const ssize_t got = ::read(fd(), out.data(), out.size_bytes());
        if (got < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return 0;
            }
            sys::throw_errno("/dev/xen/evtchn", ENODEV);
        }
        return static_cast<std::size_t>(got) / sizeof(EventChannelPort);
    }
    void unmask(EventChannelPort port) noexcept override {
        if (restored_) {
            return;
        }
        [[maybe_unused]] const ssize_t written = ::write(fd(), &port, sizeof port);
    }

  private:
    void must_be_ours() const {
        if (restored_) {
            sys::throw_errno("event channels of a domain that was restored", ENODEV);
        }
    }
    static EventChannelPort valid(int port, const char* call) {
        return static_cast<EventChannelPort>(sys::check(port, call));
    }

    const EventLibrary& library_;
    EvtChn* handle_;
    DeferredCloses deferred_;
    std::atomic<bool> restored_ = false;  // set by the pump thread, also read by openers of ports
};

}  // namespace

std::unique_ptr<Doorbells> open_doorbells() {
    return std::make_unique<XenDoorbells>();
}

}  // namespace xsock::hypervisor::xen

#include "hypervisor/loopback/event_channels.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

std::shared_ptr<sys::UniqueFd> make_eventfd() {
    return std::make_shared<sys::UniqueFd>(
        sys::check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"));
}

void clear(const sys::UniqueFd& eventfd) noexcept {
    std::uint64_t count;
    [[maybe_unused]] const ssize_t got = ::read(eventfd.get(), &count, sizeof count);
}

}  // namespace

void ring_eventfd(const sys::UniqueFd& eventfd) noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(eventfd.get(), &one, sizeof one);
}

std::shared_ptr<Port> EventChannels::insert(DomId domain, DomId remote) {
    Table& table = tables_[domain];
    if (table.size() >= limit_) {
        sys::throw_errno("event channel", ENOSPC);
    }
    // The lowest free port, as Xen hands them out; 0 is never valid.
    EventChannelPort number = 1;
    for (const auto& [taken, port] : table) {
        if (taken != number) {
            break;
        }
        ++number;
    }
    auto port = std::make_shared<Port>();
    port->domain = domain;
    port->number = number;
    port->remote = remote;
    table[number] = port;
    return port;
}

std::shared_ptr<Port> EventChannels::allocate_unbound(DomId domain, DomId remote) {
    auto inbound = make_eventfd();
    auto outbound = make_eventfd();
    auto port = insert(domain, remote);
    port->inbound = std::move(inbound);
    port->outbound = std::move(outbound);
    return port;
}

std::shared_ptr<Port> EventChannels::bind_interdomain(DomId domain, DomId remote,
                                                      EventChannelPort number) {
    const auto table = tables_.find(remote);
    if (table == tables_.end()) {
        sys::throw_errno("bind_interdomain", EINVAL);
    }
    const auto it = table->second.find(number);
    if (it == table->second.end() || it->second->closed || it->second->remote != domain ||
        it->second->peer.lock() != nullptr) {
        sys::throw_errno("bind_interdomain", EINVAL);
    }
    const std::shared_ptr<Port> other = it->second;
    auto port = insert(domain, remote);
    port->inbound = other->outbound;
    port->outbound = other->inbound;
    port->peer = other;
    other->peer = port;
    // What rang for an earlier holder of this end is not for us; but Xen rings the binder once.
    clear(*port->inbound);
    ring_eventfd(*port->inbound);
    return port;
}

void EventChannels::close(const std::shared_ptr<Port>& port) {
    port->closed = true;
    if (port->pins == 0) {
        release(port);
    }
}

void EventChannels::release(const std::shared_ptr<Port>& port) {
    if (const auto other = port->peer.lock()) {
        other->peer.reset();
    }
    const auto table = tables_.find(port->domain);
    if (table == tables_.end()) {
        return;
    }
    const auto it = table->second.find(port->number);
    if (it != table->second.end() && it->second == port) {
        table->second.erase(it);
    }
    if (table->second.empty()) {
        tables_.erase(table);
    }
}

std::shared_ptr<Port> EventChannels::pin(DomId domain, EventChannelPort number) {
    const auto table = tables_.find(domain);
    if (table == tables_.end()) {
        return nullptr;
    }
    const auto it = table->second.find(number);
    if (it == table->second.end() || it->second->closed) {
        return nullptr;
    }
    ++it->second->pins;
    return it->second;
}

void EventChannels::ring(const std::shared_ptr<Port>& port) noexcept {
    if (port->peer.lock() != nullptr) {
        ring_eventfd(*port->outbound);
    }
}

void EventChannels::unpin(const std::shared_ptr<Port>& port) {
    if (--port->pins == 0 && port->closed) {
        release(port);
    }
}

std::size_t EventChannels::count(DomId domain) const {
    const auto table = tables_.find(domain);
    return table == tables_.end() ? 0 : table->second.size();
}

}  // namespace xsock::hypervisor::loopback

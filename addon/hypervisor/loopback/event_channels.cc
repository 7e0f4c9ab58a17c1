#include "hypervisor/loopback/event_channels.h"

#include <sys/socket.h>

#include <cerrno>

#include "hypervisor/loopback/notification.h"
#include "sys/error.h"

namespace xsock::hypervisor::loopback {

std::shared_ptr<Port> EventChannels::insert(DomId domain, DomId remote) {
    Table& table = tables_[domain];
    if (table.size() >= limit_) {
        sys::throw_errno("event channel", ENOSPC);
    }
    // The lowest free port, as Xen allocates them; 0 is never valid.
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
    int ends[2];
    sys::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    auto own = std::make_shared<sys::UniqueFd>(ends[0]);
    auto other = std::make_shared<sys::UniqueFd>(ends[1]);
    auto port = insert(domain, remote);
    port->own = std::move(own);
    port->other = std::move(other);
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
    port->own = other->other;
    port->other = other->own;
    port->peer = other;
    other->peer = port;
    // Notifications for an earlier holder of this end are discarded; but Xen leaves one pending for
    // the binder.
    take_notifications(*port->own);
    send_notification(*port->other);
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
        send_notification(*port->own);
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

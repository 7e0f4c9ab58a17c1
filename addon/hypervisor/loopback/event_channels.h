// The machine's event channels: which port of which domain is bound to which other. Notifications
// do not pass through here: each end holds one of a pair of sockets. Machine state, guarded by its
// mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "hypervisor/hypervisor.h"
#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

class EventChannels;

// One end of a channel. `own` is the socket that its holder has, `other` that of the other end. The
// pair outlives the other end, so that a successor can be bound to it.
struct Port {
    DomId domain = 0;
    EventChannelPort number = 0;
    DomId remote = 0;
    std::weak_ptr<Port> peer;  // empty: unbound
    std::shared_ptr<sys::UniqueFd> own;
    std::shared_ptr<sys::UniqueFd> other;
    int pins = 0;         // unmap-notifies that still need this port
    bool closed = false;  // by its holder; removed with the last pin
};

// All errors are std::system_error with the errno that Linux' evtchn driver would give.
class EventChannels {
  public:
    explicit EventChannels(std::size_t ports_per_domain) : limit_(ports_per_domain) {}

    // ENOSPC: the domain has all its ports in use.
    std::shared_ptr<Port> allocate_unbound(DomId domain, DomId remote);
    // EINVAL: no such port, not meant for `domain`, or already bound.
    std::shared_ptr<Port> bind_interdomain(DomId domain, DomId remote, EventChannelPort number);
    // The other end goes back to unbound, for the same domid.
    void close(const std::shared_ptr<Port>& port);
    // Keeps the port usable for an unmap-notify after its holder is gone, as Linux does with a
    // reference count. Null if the domain has no such port.
    std::shared_ptr<Port> pin(DomId domain, EventChannelPort number);
    void unpin(const std::shared_ptr<Port>& port);
    // Does nothing if there is no other end.
    static void ring(const std::shared_ptr<Port>& port) noexcept;

    [[nodiscard]] std::size_t count(DomId domain) const;

  private:
    using Table = std::map<EventChannelPort, std::shared_ptr<Port>>;

    std::shared_ptr<Port> insert(DomId domain, DomId remote);
    void release(const std::shared_ptr<Port>& port);

    std::size_t limit_;
    std::map<DomId, Table> tables_;
};

}  // namespace xsock::hypervisor::loopback

// The interface to the hypervisor: granted memory and doorbells (event channels). Two
// implementations, loopback/ and xen/, which are independent of each other; test/contract/ runs on
// both. self/ serves a domain's link with itself.
// Threads: GrantedMemory, and the objects that it returns, may be used on any thread. Of Doorbells,
// allocate_unbound(), bind_interdomain(), close() and take_deferred_closes() may be called from any
// thread, also at the same time (workers open ports, the releaser closes them); the others belong
// to the pump thread, once the pump runs, while the former may run on other threads. An
// implementation that keeps state for both has a lock. Calls that allocate from the
// hypervisor or release to it may block (a loopback machine is a process, which may be stopped), so
// the pump thread calls none of them; fd(), notify(), drain() and unmask() never block. Errors:
// every call that can fail throws std::system_error with the errno of the hypervisor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "schema/schema.h"

namespace xsock::hypervisor {

using DomId = std::uint16_t;
using GrantRef = std::uint32_t;
// Event channel port; 0 is never valid (XENSTORE and Xen both use it for "none").
using EventChannelPort = std::uint32_t;

inline constexpr std::size_t kPageSize = 4096;

enum class Access : std::uint8_t { kReadOnly, kReadWrite };

// What happens when the holder releases a page, or dies: the byte at `offset` in the first page is
// cleared and a notification is sent on `port` (Linux, include/uapi/xen/gntalloc.h and gntdev.h,
// UNMAP_NOTIFY).
struct UnmapNotify {
    std::uint32_t offset;
    EventChannelPort port;
};

// Pages that we granted to a peer (gntshr). Zeroed initially. The destructor runs the unmap-notify
// (if any) and ends the grants; the peer may keep its mapping, so the pages are never reused.
class SharedPages {
  public:
    virtual ~SharedPages() = default;
    // Writable by the peer if granted read-write: every word may then change at any time.
    [[nodiscard]] virtual std::span<std::byte> bytes() noexcept = 0;
    // One grant reference per page, in order.
    [[nodiscard]] virtual std::span<const GrantRef> refs() const noexcept = 0;
};

// Pages of a peer that we mapped (gnttab). The destructor runs the unmap-notify and unmaps.
class MappedPages {
  public:
    virtual ~MappedPages() = default;
    // The peer may write here at any time. Writing through a read-only mapping is a SIGSEGV.
    [[nodiscard]] virtual std::span<std::byte> bytes() noexcept = 0;
};

class GrantedMemory {
  public:
    virtual ~GrantedMemory() = default;
    // How many pages share() can still grant. An estimate: other processes of the domain grant
    // pages too, and ended grants count until the peer has unmapped them.
    [[nodiscard]] virtual std::size_t free_pages() const = 0;
    // Allocates `pages` zeroed pages and grants them to `peer`. ENOSPC: out of grants.
    virtual std::unique_ptr<SharedPages> share(DomId peer, std::size_t pages, Access access,
                                               const UnmapNotify* notify) = 0;
    // Maps pages of `owner`, contiguous in our memory and in the order of `refs`. A reference that
    // was not granted to us, or read-write where only read-only was granted, fails as a whole:
    // EACCES for a wrong grantee or access, ENOENT for a reference that is not in use.
    virtual std::unique_ptr<MappedPages> map(DomId owner, std::span<const GrantRef> refs,
                                             Access access, const UnmapNotify* notify) = 0;
};

// What the daemon has found out in xenstore about its domain. A domain that was restored from a
// saved image has lost its ports: nobody may use them, nor close them.
struct DomainCheck {
    bool restored = false;
    // If not restored: the ports whose close was deferred before the check began. Of
    // one that was deferred later, the check says nothing. May name ports of other handles.
    std::vector<EventChannelPort> ports;
};
constexpr auto describe(schema::Of<DomainCheck>) {
    return schema::object(schema::field("restored", &DomainCheck::restored),
                          schema::field("ports", &DomainCheck::ports));
}

class Doorbells {
  public:
    virtual ~Doorbells() = default;
    // Readable (EPOLLIN) when drain() may return ports. Owned by this object.
    [[nodiscard]] virtual int fd() const noexcept = 0;
    // A port that only `peer` may bind to. Unmasked.
    virtual EventChannelPort allocate_unbound(DomId peer) = 0;
    // Binds to a port that `peer` allocated for us. Unmasked, with one notification pending, as on
    // Xen.
    virtual EventChannelPort bind_interdomain(DomId peer, EventChannelPort peer_port) = 0;
    // Closes a port; the peer's end goes back to unbound. Unknown ports are ignored. If that is not
    // safe before it has been checked that the domain was not restored, the close is deferred: the
    // port stays bound until domain_checked() names it.
    virtual void close(EventChannelPort port) noexcept = 0;
    // The ports whose close was deferred since the last call: each is returned once, and is to be
    // named in a DomainCheck that begins afterwards.
    [[nodiscard]] virtual std::vector<EventChannelPort> take_deferred_closes() { return {}; }
    // Closes the deferred ports that the check names. If the domain was restored: no port is closed
    // from now on and calls do nothing, except that allocating and binding throw ENODEV.
    virtual void domain_checked(const DomainCheck& /*check*/) noexcept {}
    // Notifies the other end; does nothing if there is none (as Xen's EVTCHNOP_send).
    virtual void notify(EventChannelPort port) noexcept = 0;
    // Fills `out` with ports that were notified, each masked from now on until unmask(). Never
    // blocks. Returns how many. Throws ENODEV when the hypervisor itself is gone.
    virtual std::size_t drain(std::span<EventChannelPort> out) = 0;
    // Unmasks the port. A notification that came while it was masked makes fd() readable, and a
    // later drain() returns the port.
    virtual void unmask(EventChannelPort port) noexcept = 0;
};

// One domain's access to the hypervisor.
struct Hypervisor {
    std::unique_ptr<GrantedMemory> memory;
    std::unique_ptr<Doorbells> doorbells;
};

}  // namespace xsock::hypervisor

// The seam between xsock and whatever lies underneath: granted memory and doorbells (event
// channels). Two implementations, loopback/ and xen/, that never see each other; test/contract/
// runs on both.
//
// Threads: GrantedMemory, and what it hands out, may be used on any thread. Of Doorbells
// allocate_unbound(), bind_interdomain(), close() and deferred_closes() may be called from any
// thread; the others belong to the pump thread, once the pump runs. Whatever asks the hypervisor
// for something or gives it back may block (a loopback machine is a process, which may be stopped),
// so the pump thread calls none of it; fd(), notify(), drain() and unmask() never block. Errors:
// every call that can fail throws std::system_error with the errno of the hypervisor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace xsock::hypervisor {

using DomId = std::uint16_t;
using GrantRef = std::uint32_t;
// Event channel port; 0 is never valid (XENSTORE and Xen both use it for "none").
using EventChannelPort = std::uint32_t;

inline constexpr std::size_t kPageSize = 4096;

enum class Access : std::uint8_t { kReadOnly, kReadWrite };

// What happens when the holder lets go of a page, in order or by dying: the byte at `offset` in the
// first page is cleared and `port` is rung (xen/include/uapi gntalloc.h and gntdev.h,
// UNMAP_NOTIFY).
struct UnmapNotify {
    std::uint32_t offset;
    EventChannelPort port;
};

// Pages that we granted to a peer (gntshr). Zeroed when handed out. The destructor runs the
// unmap-notify (if any) and ends the grants; the peer may keep its mapping, so the pages are never
// used again.
class SharedPages {
  public:
    virtual ~SharedPages() = default;
    // Writable by the peer if granted read-write: every word may change under us at any time.
    [[nodiscard]] virtual std::span<std::byte> bytes() noexcept = 0;
    // One reference a page, in order.
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
    // How many pages share() may still have. A guess: other processes of the domain grant too, and
    // pages that a peer has not unmapped yet count on.
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

class Doorbells {
  public:
    virtual ~Doorbells() = default;
    // Readable (EPOLLIN) when drain() may have something to say. Owned by this object.
    [[nodiscard]] virtual int fd() const noexcept = 0;
    // A port that only `peer` may bind to. Unmasked.
    virtual EventChannelPort allocate_unbound(DomId peer) = 0;
    // Binds to a port that `peer` allocated for us. Unmasked, and rung once at once, as Xen does.
    virtual EventChannelPort bind_interdomain(DomId peer, EventChannelPort peer_port) = 0;
    // Closes a port; the peer's end goes back to unbound. Unknown ports are ignored. Where that is
    // not safe before the caller has made sure of the domain (see close_deferred()), the port
    // rests.
    virtual void close(EventChannelPort port) noexcept = 0;
    // How many ports rest: closed, not heard of any more, but not given back.
    [[nodiscard]] virtual std::size_t deferred_closes() const noexcept { return 0; }
    // Gives back those that rest. The caller has made sure, after they were closed, that the domain
    // is the one that it was, and not restored from an image: abandon() instead.
    virtual void close_deferred() noexcept {}
    // Rings the other end; does nothing if nobody is there (as Xen's EVTCHNOP_send).
    virtual void notify(EventChannelPort port) noexcept = 0;
    // Fills `out` with ports that rang, each masked from now on until unmask(). Never blocks.
    // Returns how many. std::errc::no_such_device is thrown when the hypervisor itself is gone.
    virtual std::size_t drain(std::span<EventChannelPort> out) = 0;
    // Lets the port ring again. If it rang while masked it is delivered by a later drain(): fd()
    // becomes readable for it.
    virtual void unmask(EventChannelPort port) noexcept = 0;
    // The domain was restored from a saved image: its ports are not there any more. From now on
    // calls do nothing (allocating and binding throw ENODEV), and nothing is given back.
    virtual void abandon() noexcept {}
};

// One domain's access to the hypervisor.
struct Hypervisor {
    std::unique_ptr<GrantedMemory> memory;
    std::unique_ptr<Doorbells> doorbells;
};

}  // namespace xsock::hypervisor

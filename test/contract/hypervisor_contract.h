// The contract of every hypervisor back end: one test for each guarantee of
// addon/hypervisor/hypervisor.h. A back end's own test program provides two domains that can see
// each other and runs the suite on them.
#pragma once

#include <poll.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "tap.h"

namespace contract {

using namespace xsock::hypervisor;

// Two domains of one hypervisor. `a` grants and allocates, `b` maps and binds.
struct Domains {
    DomId a_domid;
    Hypervisor a;
    DomId b_domid;
    Hypervisor b;
};
using MakeDomains = std::function<Domains()>;

// The errnos of a back end when a page cannot be mapped. Linux's gntdev has one for every reason.
struct MapErrors {
    int not_for_us = EACCES;
    int not_in_use = ENOENT;
};
inline MapErrors& map_errors() {
    static MapErrors errors;
    return errors;
}

// The errno with which `call` fails; 0 if it does not.
inline int errno_of(const std::function<void()>& call) {
    try {
        call();
        return 0;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

// Notified ports, in the order drained; waits up to five seconds for the first.
inline std::vector<EventChannelPort> heard(Doorbells& bells) {
    pollfd waiting{bells.fd(), POLLIN, 0};
    if (::poll(&waiting, 1, 5000) <= 0) {
        return {};
    }
    std::array<EventChannelPort, 16> ports;
    const std::size_t count = bells.drain(ports);
    return {ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(count)};
}

// Nothing is readable now. A notification is delivered before notify() returns or shortly after, so
// callers first wait for a later one on another port.
inline bool silent(Doorbells& bells) {
    pollfd waiting{bells.fd(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 0;
}

struct Channel {
    EventChannelPort a;
    EventChannelPort b;
};

// A channel whose first notification (Xen leaves one pending for the binder) has been taken.
inline Channel make_channel(Domains& domains) {
    const EventChannelPort a = domains.a.doorbells->allocate_unbound(domains.b_domid);
    const EventChannelPort b = domains.b.doorbells->bind_interdomain(domains.a_domid, a);
    CHECK(heard(*domains.b.doorbells) == std::vector{b});
    domains.b.doorbells->unmask(b);
    return {a, b};
}

inline void run_memory(const MakeDomains& make) {
    tap::test("granted pages are zeroed, and both sides see the same bytes", [&] {
        Domains d = make();
        const auto shared = d.a.memory->share(d.b_domid, 3, Access::kReadWrite, nullptr);
        CHECK(shared->bytes().size() == 3 * kPageSize && shared->refs().size() == 3);
        for (const std::byte byte : shared->bytes()) {
            CHECK(byte == std::byte{0});
        }
        const auto mapped = d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, nullptr);
        CHECK(mapped->bytes().size() == 3 * kPageSize);
        shared->bytes()[kPageSize] = std::byte{7};
        mapped->bytes()[2 * kPageSize + 5] = std::byte{9};
        CHECK(mapped->bytes()[kPageSize] == std::byte{7});
        CHECK(shared->bytes()[2 * kPageSize + 5] == std::byte{9});
    });
    tap::test("references are mapped in the order given", [&] {
        Domains d = make();
        const auto shared = d.a.memory->share(d.b_domid, 2, Access::kReadOnly, nullptr);
        shared->bytes()[0] = std::byte{1};
        shared->bytes()[kPageSize] = std::byte{2};
        const std::array<GrantRef, 2> swapped{shared->refs()[1], shared->refs()[0]};
        const auto mapped = d.b.memory->map(d.a_domid, swapped, Access::kReadOnly, nullptr);
        CHECK(mapped->bytes()[0] == std::byte{2} && mapped->bytes()[kPageSize] == std::byte{1});
    });
    tap::test("a reference that is not in use cannot be mapped", [&] {
        Domains d = make();
        std::vector<GrantRef> refs;
        {
            const auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, nullptr);
            refs.assign(shared->refs().begin(), shared->refs().end());
        }
        CHECK(errno_of([&] { d.b.memory->map(d.a_domid, refs, Access::kReadWrite, nullptr); }) ==
              map_errors().not_in_use);
    });
    tap::test("pages that were unshared stay usable for the peer that mapped them", [&] {
        Domains d = make();
        auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, nullptr);
        const auto mapped = d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, nullptr);
        shared->bytes()[1] = std::byte{5};
        shared.reset();
        mapped->bytes()[0] = std::byte{6};
        CHECK(mapped->bytes()[0] == std::byte{6} && mapped->bytes()[1] == std::byte{5});
    });
}

inline void run_rights(const MakeDomains& make) {
    tap::test("a read-only grant cannot be mapped for writing", [&] {
        Domains d = make();
        const auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadOnly, nullptr);
        CHECK(errno_of([&] {
                  d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, nullptr);
              }) == map_errors().not_for_us);
        CHECK(errno_of([&] {
                  d.b.memory->map(d.a_domid, shared->refs(), Access::kReadOnly, nullptr);
              }) == 0);
    });
    tap::test("a grant to another domain cannot be mapped", [&] {
        Domains d = make();
        const auto shared = d.a.memory->share(d.a_domid + 100, 1, Access::kReadWrite, nullptr);
        CHECK(errno_of([&] {
                  d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, nullptr);
              }) == map_errors().not_for_us);
    });
    tap::test("one bad reference fails the whole map and leaves nothing behind", [&] {
        Domains d = make();
        const auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, nullptr);
        const std::array<GrantRef, 2> refs{shared->refs()[0], 0};
        CHECK(errno_of([&] { d.b.memory->map(d.a_domid, refs, Access::kReadWrite, nullptr); }) ==
              map_errors().not_in_use);
    });
}

// The domain is known not to have been restored.
inline void close_deferred(Doorbells& doorbells) {
    doorbells.domain_checked({.restored = false, .ports = doorbells.take_deferred_closes()});
}

inline void run_unmap_notify(const MakeDomains& make) {
    tap::test("unmapping clears the byte, then notifies", [&] {
        Domains d = make();
        const Channel channel = make_channel(d);
        const auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, nullptr);
        const UnmapNotify notify{20, channel.b};
        auto mapped = d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, &notify);
        mapped->bytes()[20] = std::byte{1};
        mapped.reset();
        CHECK(heard(*d.a.doorbells) == std::vector{channel.a});
        CHECK(shared->bytes()[20] == std::byte{0});
    });
    tap::test("unsharing clears the byte, then notifies", [&] {
        Domains d = make();
        const Channel channel = make_channel(d);
        const UnmapNotify notify{21, channel.a};
        auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, &notify);
        const auto mapped = d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, nullptr);
        shared->bytes()[21] = std::byte{1};
        shared.reset();
        CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
        CHECK(mapped->bytes()[21] == std::byte{0});
    });
    tap::test("the unmap-notify is still sent when the port was closed first", [&] {
        Domains d = make();
        const Channel channel = make_channel(d);
        const auto shared = d.a.memory->share(d.b_domid, 1, Access::kReadWrite, nullptr);
        const UnmapNotify notify{20, channel.b};
        auto mapped = d.b.memory->map(d.a_domid, shared->refs(), Access::kReadWrite, &notify);
        mapped->bytes()[20] = std::byte{1};
        d.b.doorbells->close(channel.b);
        close_deferred(*d.b.doorbells);
        CHECK(d.b.doorbells->take_deferred_closes().empty());
        mapped.reset();
        CHECK(heard(*d.a.doorbells) == std::vector{channel.a});
        CHECK(shared->bytes()[20] == std::byte{0});
    });
}

inline void run_channels(const MakeDomains& make) {
    tap::test("each end notifies the other", [&] {
        Domains d = make();
        const Channel channel = make_channel(d);
        d.a.doorbells->notify(channel.a);
        CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
        d.b.doorbells->notify(channel.b);
        CHECK(heard(*d.a.doorbells) == std::vector{channel.a});
    });
    tap::test("a notified port is masked until unmasked; a notification meanwhile is not lost",
              [&] {
                  Domains d = make();
                  const Channel channel = make_channel(d);
                  const Channel other = make_channel(d);
                  d.a.doorbells->notify(channel.a);
                  CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
                  d.a.doorbells->notify(channel.a);
                  d.a.doorbells->notify(channel.a);
                  d.a.doorbells->notify(other.a);
                  std::vector<EventChannelPort> ports = heard(*d.b.doorbells);
                  CHECK(ports == std::vector{other.b});
                  CHECK(silent(*d.b.doorbells));
                  d.b.doorbells->unmask(channel.b);
                  CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
                  d.b.doorbells->unmask(channel.b);
                  CHECK(silent(*d.b.doorbells));
              });
    tap::test("a port cannot be bound by a domain it is not for, nor twice", [&] {
        Domains d = make();
        const EventChannelPort stranger = d.a.doorbells->allocate_unbound(d.a_domid + 100);
        CHECK(errno_of([&] { d.b.doorbells->bind_interdomain(d.a_domid, stranger); }) != 0);
        const Channel channel = make_channel(d);
        CHECK(errno_of([&] { d.b.doorbells->bind_interdomain(d.a_domid, channel.a); }) != 0);
        CHECK(errno_of([&] { d.b.doorbells->bind_interdomain(d.a_domid, 999); }) != 0);
    });
    tap::test("after the peer closed, notifying is harmless and the port can be bound again", [&] {
        Domains d = make();
        const Channel channel = make_channel(d);
        d.b.doorbells->close(channel.b);
        close_deferred(*d.b.doorbells);
        d.a.doorbells->notify(channel.a);
        d.a.doorbells->notify(999);
        const EventChannelPort again = d.b.doorbells->bind_interdomain(d.a_domid, channel.a);
        CHECK(heard(*d.b.doorbells) == std::vector{again});
        d.b.doorbells->notify(again);
        CHECK(heard(*d.a.doorbells) == std::vector{channel.a});
    });
    tap::test("closing an unknown port is ignored", [&] {
        Domains d = make();
        d.a.doorbells->close(12345);
        const Channel channel = make_channel(d);
        d.a.doorbells->notify(channel.a);
        CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
    });
}

inline void run(const MakeDomains& make) {
    run_memory(make);
    run_rights(make);
    run_unmap_notify(make);
    run_channels(make);
}

}  // namespace contract

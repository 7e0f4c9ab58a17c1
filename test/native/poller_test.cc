// When a pump polls, how it is scheduled, how large rings are by default, and when the control
// plane is woken.
#include "pump/poller.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "channel/ring_size.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "pump/event_queue.h"
#include "sys/scheduling.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using std::chrono::microseconds;

constexpr sys::TimePoint kStart{};

// Idle from `begin` on, work after `wait`. Whether it was still polling then.
bool met(pump::Poller& poller, sys::TimePoint begin, sys::Duration wait) {
    bool looking = poller.idle(begin, false) != pump::Idle::kSleep;
    looking = poller.idle(begin + wait, false) != pump::Idle::kSleep && looking;
    poller.found(begin + wait);
    return looking;
}

void short_waits_are_covered_by_polling() {
    pump::Poller poller(microseconds(200));
    CHECK(!met(poller, kStart, microseconds(80)));  // nothing is known yet
    int misses = 0;
    for (int i = 1; i < 100; ++i) {
        misses += met(poller, kStart, microseconds(80)) ? 0 : 1;
    }
    CHECK(misses < 5);
}

void a_long_wait_ends_it() {
    pump::Poller poller(microseconds(200));
    for (int i = 0; i < 5; ++i) {
        met(poller, kStart, microseconds(60));
    }
    CHECK(met(poller, kStart, microseconds(50)));
    CHECK(!met(poller, kStart, sys::milliseconds(1)));
    CHECK(poller.idle(kStart, false) == pump::Idle::kSleep);
}

// A wait that ends after `looks` polls; whether the first of them was immediate.
bool at_once(pump::Poller& poller, int looks, bool waits_for_peers = false) {
    const bool result = poller.idle(kStart, waits_for_peers) == pump::Idle::kPoll;
    for (int i = 1; i < looks; ++i) {
        CHECK(poller.idle(kStart + microseconds(1), waits_for_peers) == pump::Idle::kYieldAndPoll);
    }
    poller.found(kStart + microseconds(2));
    return result;
}

void the_first_poll_is_immediate_while_it_pays() {
    pump::Poller poller(microseconds(200));
    met(poller, kStart, microseconds(20));
    const auto count = [&](int looks, bool waits_for_peers = false) {
        int result = 0;
        for (int i = 0; i < 100; ++i) {
            result += at_once(poller, looks, waits_for_peers) ? 1 : 0;
        }
        return result;
    };
    CHECK(count(1) > 60);  // tried once, and then always
    CHECK(count(1) == 100);
    CHECK(count(1, true) == 0);
    CHECK(count(2) < 25);  // it no longer pays
    const int tries = count(2);
    CHECK(tries > 0 && tries < 6);
    CHECK(count(1) > 60);
}

void zero_is_never() {
    pump::Poller poller(sys::Duration::zero());
    for (int i = 0; i < 10; ++i) {
        CHECK(!met(poller, kStart, microseconds(1)));
    }
}

void rings_by_what_is_left() {
    const TempDir root;
    hypervisor::loopback::Machine machine{{}};
    machine.introduce(1, root.path + "/hypercall");
    const auto domain = hypervisor::loopback::connect_loopback(root.path);
    const auto port = domain.doorbells->allocate_unbound(2);
    std::vector<channel::ChannelMemory> links;
    std::map<std::size_t, int> sizes;
    try {
        for (;;) {
            links.push_back(channel::share_what_fits(*domain.memory, 2, port));
            ++sizes[links.back().left().size() / 1024];
        }
    } catch (const std::system_error& error) {
        CHECK(error.code().value() == ENOSPC);
    }
    CHECK((sizes == std::map<std::size_t, int>{{1024, 1}, {256, 2}, {64, 6}, {16, 4}, {4, 6}}));
    links.clear();
    CHECK(channel::share_what_fits(*domain.memory, 2, port).left().size() == 1024 * 1024);
    CHECK(channel::ring_order_for(8192) == 20);
    CHECK(channel::ring_order_for(600) == 18);
    CHECK(channel::ring_order_for(0) == 12);
}

// Does not account for what other processes of its domain have granted, as gntalloc.
class Forgetful final : public hypervisor::GrantedMemory {
  public:
    explicit Forgetful(hypervisor::GrantedMemory& memory) : memory_(memory) {}
    [[nodiscard]] std::size_t free_pages() const override { return 1024; }
    std::unique_ptr<hypervisor::SharedPages> share(hypervisor::DomId peer, std::size_t pages,
                                                   hypervisor::Access access,
                                                   const hypervisor::UnmapNotify* notify) override {
        return memory_.share(peer, pages, access, notify);
    }
    std::unique_ptr<hypervisor::MappedPages> map(hypervisor::DomId owner,
                                                 std::span<const hypervisor::GrantRef> refs,
                                                 hypervisor::Access access,
                                                 const hypervisor::UnmapNotify* notify) override {
        return memory_.map(owner, refs, access, notify);
    }

  private:
    hypervisor::GrantedMemory& memory_;
};

void rings_that_find_no_room_are_smaller() {
    const TempDir root;
    hypervisor::loopback::Machine machine{{}};
    machine.introduce(1, root.path + "/hypercall");
    const auto domain = hypervisor::loopback::connect_loopback(root.path);
    const auto port = domain.doorbells->allocate_unbound(2);
    Forgetful memory(*domain.memory);
    const auto first = channel::share_what_fits(memory, 2, port);
    const auto second = channel::share_what_fits(memory, 2, port);
    CHECK(first.left().size() == 1024 * 1024);
    CHECK(second.left().size() == 256 * 1024);
}

pump::Event opened() {
    return link::StreamOpened{1, 2, link::Direction::kIncoming, "svc"};
}

void events_of_streams_wait_for_company() {
    int woken = 0;
    pump::EventQueue events([&] { ++woken; });
    events.push(opened(), kStart);
    events.push(opened(), kStart + sys::milliseconds(5));
    CHECK(woken == 0);
    CHECK(events.deadline() == kStart + pump::EventQueue::kMaxBatchDelay);
    events.flush(kStart + sys::milliseconds(10));
    CHECK(woken == 0);
    events.flush(kStart + pump::EventQueue::kMaxBatchDelay);
    CHECK(woken == 1);
    CHECK(events.deadline() == sys::kNever);
    events.push(opened(), kStart + sys::milliseconds(30));  // already being reported
    CHECK(events.deadline() == sys::kNever);
    CHECK(events.take().size() == 3);
    events.push(opened(), kStart + sys::milliseconds(40));
    CHECK(events.deadline() == kStart + sys::milliseconds(60));
    events.push(link::LinkDown{1, link::DownReason::kGoodbye, ""}, kStart);  // this cannot wait
    CHECK(woken == 2);
    CHECK(events.take().size() == 2);
    for (std::size_t i = 0; i <= pump::EventQueue::kMaxBatchSize; ++i) {
        events.push(opened(), kStart);
    }
    CHECK(woken == 3);
}

struct Attributes {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
};

Attributes attributes() {
    Attributes result{};
    CHECK(::syscall(SYS_sched_getattr, 0, &result, sizeof result, 0) == 0);
    return result;
}

void a_short_slice_is_asked_for() {
    utsname kernel{};
    ::uname(&kernel);
    int major = 0;
    int minor = 0;
    std::sscanf(kernel.release, "%d.%d", &major, &minor);
    const bool slices = major > 6 || (major == 6 && minor >= 12);
    std::thread([slices] {
        const Attributes before = attributes();
        sys::ask_for_slice(microseconds(100));
        const Attributes after = attributes();
        CHECK(after.policy == before.policy && after.nice == before.nice);
        CHECK(!slices || before.policy != SCHED_OTHER || after.runtime == 100'000);
    }).join();
    std::thread([] {
        sched_param none{};
        CHECK(::sched_setscheduler(0, SCHED_BATCH, &none) == 0);
        sys::ask_for_slice(microseconds(100));
        CHECK(attributes().policy == SCHED_BATCH);
    }).join();
}

}  // namespace

int main() {
    tap::test("short waits are covered by polling", short_waits_are_covered_by_polling);
    tap::test("a long wait ends it", a_long_wait_ends_it);
    tap::test("the first poll is immediate while that pays",
              the_first_poll_is_immediate_while_it_pays);
    tap::test("a longest time of zero is never", zero_is_never);
    tap::test("the size of rings depends on what is left to grant", rings_by_what_is_left);
    tap::test("rings are smaller where fewer pages are left than estimated",
              rings_that_find_no_room_are_smaller);
    tap::test("events of streams wait to be batched, others do not",
              events_of_streams_wait_for_company);
    tap::test("a thread requests a short slice, and keeps a scheduling class that it was given",
              a_short_slice_is_asked_for);
    return tap::done();
}

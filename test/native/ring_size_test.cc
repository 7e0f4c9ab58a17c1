// The default size of rings: a link that replaces another gets as large ones, even if the pages of
// the other are just being released.
#include "channel/ring_size.h"

#include "domain.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;

std::size_t grants_of(hypervisor::loopback::Machine& machine, hypervisor::DomId domid) {
    for (const auto& counts : machine.counts()) {
        if (counts.domain == domid) {
            return counts.grants;
        }
    }
    return 0;
}

// A guest, which grants, and domain 0; each with `pumps` pumps.
void restarts(unsigned pumps) {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain guest(machine, root.path, 3, link::Timings{}.longest_poll, pumps);
    auto hub = std::make_unique<Domain>(machine, root.path, 0, link::Timings{}.longest_poll, pumps);
    const std::size_t largest = channel::pages_for(abi::kMaxByteOrder);
    for (int round = 0; round < 20; ++round) {
        const pump::Pump::Offer offer = guest.pump->offer(0, 0);
        const link::LinkId link = hub->pump->connect(3, offer.ring_ref, offer.port);
        CHECK(hub->wait_for<link::LinkUp>(link));
        CHECK(guest.wait_for<link::LinkUp>(offer.link));
        CHECK(grants_of(machine, 3) == largest);
        if (round % 2 == 0) {
            // Domain 0's daemon is restarted.
            hub.reset();
            hub = std::make_unique<Domain>(root.path, 0, link::Timings{}.longest_poll, pumps);
        } else {
            guest.pump->close_link(offer.link, sys::Duration::zero());
            CHECK(hub->wait_for<pump::LinkReleased>(link));
        }
        CHECK(guest.wait_for<link::LinkDown>(offer.link));
    }
}

// The first link leaves pages for others.
void shares() {
    CHECK(channel::ring_order_for(1024) == 20);
    CHECK(channel::ring_order_for(1024 - channel::pages_for(20)) == 18);
    CHECK(channel::ring_order_for(0) == abi::kMinByteOrder);
}

}  // namespace

int main() {
    tap::test("after the other side's restart rings are as large as before", [] { restarts(1); });
    tap::test("also with several pumps", [] { restarts(3); });
    tap::test("what one link leaves for others", shares);
    return tap::done();
}

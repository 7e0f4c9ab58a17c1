// Events to the control plane: in one order for all pumps, bounded for each link, and no list of
// services twice.
#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "domain.h"
#include "peer.h"
#include "tap.h"

namespace {

using namespace xsock;
using by_hand::Peer;

// A domain's pumps whose events stay in the queue until the test takes them.
struct Untaken {
    Untaken(hypervisor::loopback::Machine& machine, const std::string& root, unsigned pumps)
        : dir(root + "/3") {
        std::filesystem::create_directories(dir);
        machine.introduce(3, dir + "/hypercall");
        pump::PumpOptions options;
        options.domid = 3;
        pump = std::make_unique<pump::Pumps>(
            hypervisor_handles(pumps,
                               [this] { return hypervisor::loopback::connect_loopback(dir); }),
            options, [] {});
    }
    std::string dir;
    std::unique_ptr<pump::Pumps> pump;
};

// Whichever pump has the first lane: LinkDown is reported before LinkReleased, though another pump
// than the first lane's may be the last to release its pages.
void a_links_events_are_in_order() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain low{machine, root.path, 0, link::Timings{}.longest_poll, 2};
    Untaken high(machine, root.path, 2);
    for (int round = 0; round < 10; ++round) {
        const pump::Pump::Offer offer = high.pump->offer(0, 12);
        const link::LinkId link = low.pump->connect(3, offer.ring_ref, offer.port);
        CHECK(low.wait_for<link::LinkUp>(link));
        CHECK(Peer::until([&] { return high.pump->links().at(0).lanes == 1; }));
        high.pump->offer_lane(offer.link, 1, 12);
        const auto offered = low.find<link::LaneOffered>(link);
        CHECK(offered);
        low.pump->connect_lane(link, 1, offered->ring_ref, offered->port);
        CHECK(Peer::until([&] { return high.pump->links().at(0).lanes == 2; }));
        low.pump->close_link(link, sys::Duration::zero());
        CHECK(Peer::until([&] {
            for (const auto& counts : machine.counts()) {
                if (counts.grants != 0 || counts.event_channels != 0) {
                    return false;
                }
            }
            return high.pump->links().empty();
        }));
        std::vector<std::string> told;
        CHECK(Peer::until([&] {
            for (const pump::Event& event : high.pump->take_events()) {
                if (std::holds_alternative<link::LinkUp>(event)) {
                    told.emplace_back("up");
                } else if (std::holds_alternative<link::LinkDown>(event)) {
                    told.emplace_back("down");
                } else if (std::holds_alternative<pump::LinkReleased>(event)) {
                    told.emplace_back("released");
                }
            }
            return told.size() == 3;
        }));
        CHECK(told == (std::vector<std::string>{"up", "down", "released"}));
    }
}

// Two threads report events of one link, each after it has seen what the other did.
void one_order_of_events() {
    std::atomic<int> woken{0};
    pump::EventQueue queue([&] { ++woken; });
    constexpr link::LinkId kLinks = 1000;
    std::atomic<link::LinkId> down{0};
    std::thread first([&] {
        for (link::LinkId id = 1; id <= kLinks; ++id) {
            queue.push(link::LinkDown{id, link::DownReason::kClosed, ""}, sys::Clock::now());
            down = id;
        }
    });
    std::thread second([&] {
        for (link::LinkId id = 1; id <= kLinks; ++id) {
            while (down < id) {
                std::this_thread::yield();
            }
            queue.push(pump::LinkReleased{id}, sys::Clock::now());
        }
    });
    first.join();
    second.join();
    CHECK(woken == 1);
    link::LinkId released = 0;
    std::map<link::LinkId, bool> is_down;
    for (const pump::Event& event : queue.take()) {
        if (std::holds_alternative<link::LinkDown>(event)) {
            is_down[pump::link_of(event)] = true;
        } else {
            CHECK(is_down[pump::link_of(event)]);
            ++released;
        }
    }
    CHECK(released == kLinks);
}

// Events of one link's streams do not crowd out those of another, nor events of links.
void a_link_has_its_share_of_the_queue() {
    pump::EventQueue queue([] {});
    const auto refused = [&](link::LinkId id) {
        queue.push(link::StreamRefused{id, 2, link::Direction::kIncoming, "svc",
                                       link::Refusal::kDenied, ""},
                   sys::Clock::now());
    };
    constexpr std::size_t kFlood = 3 * pump::EventQueue::kBoundPerLink;
    for (std::size_t i = 0; i < kFlood; ++i) {
        refused(1);
    }
    refused(2);
    queue.push(link::LinkDown{1, link::DownReason::kClosed, ""}, sys::Clock::now());
    const std::vector<pump::Event> taken = queue.take();
    CHECK(taken.size() == pump::EventQueue::kBoundPerLink + 3);
    CHECK(pump::link_of(taken[taken.size() - 3]) == 2);
    CHECK(std::get<pump::EventsDropped>(taken.back()).count ==
          kFlood - pump::EventQueue::kBoundPerLink);
    refused(1);
    CHECK(queue.take().size() == 1);
}

void a_ping_comes_back_from_all_pumps() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Untaken domain(machine, root.path, 3);
    domain.pump->ping(7);
    CHECK(Peer::until([&] {
        for (const pump::Event& event : domain.pump->take_events()) {
            const auto* alive = std::get_if<pump::Alive>(&event);
            if (alive != nullptr && alive->ping == 7) {
                return true;
            }
        }
        return false;
    }));
    domain.pump->stop();
    try {
        domain.pump->ping(8);
        CHECK(false);
    } catch (const std::system_error& error) {
        CHECK(error.code().value() == ECANCELED);
    }
}

// Parsing a list is expensive for the control plane: a repeated one is not reported again.
void an_equal_list_is_reported_once() {
    by_hand::Stage stage;
    CHECK(stage.peer->hello());
    const auto lists_after = [&](const std::string& list) {
        CHECK(stage.peer->send(abi::FrameType::kServices, 0, list));
        CHECK(stage.peer->was_read());
        std::size_t lists = 0;
        for (const pump::Event& event : stage.pump->take_events()) {
            lists += std::holds_alternative<link::Services>(event) ? 1 : 0;
        }
        return lists;
    };
    const std::string one("\1\0\0\1a", 5);
    CHECK(lists_after("") == 1);
    CHECK(lists_after(one) == 1);
    CHECK(lists_after(one) == 0);
    CHECK(lists_after("") == 1);
    CHECK(lists_after("") == 0);
}

}  // namespace

int main() {
    tap::test("a link's events are in order, whichever pump reports them",
              a_links_events_are_in_order);
    tap::test("one order of events for all pumps", one_order_of_events);
    tap::test("a link has its share of the event queue", a_link_has_its_share_of_the_queue);
    tap::test("a ping comes back from all pumps", a_ping_comes_back_from_all_pumps);
    tap::test("an equal list is reported once", an_equal_list_is_reported_once);
    return tap::done();
}

// Several pumps in each of two domains: lanes come up, streams are distributed among them, and all
// lanes of a link end together.
#include "pump/pumps.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "domain.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);
constexpr unsigned kLowPumps = 2;
constexpr unsigned kHighPumps = 3;

// A link with as many lanes as both sides have pumps; low.dir/svc is the listener for the target
// high.dir/t.
struct Pair {
    Pair() {
        high_link = high.pump->offer(0, 16);
        low_link = low.pump->connect(3, high_link.ring_ref, high_link.port);
        high.pump->set_exports(
            high_link.link,
            std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                {"svc", 80, true, {sys::SocketKind::kUnix, high.dir + "/t", 0}}}));
        low.pump->listen(low_link, {"svc", 0}, sys::SocketKind::kUnix,
                         sys::listen_unix(low.dir + "/svc", 0600, kSame, kSame));
        const auto up = high.find<link::LinkUp>(high_link.link);
        CHECK(up && up->lanes_to_offer == 1);
        high.pump->offer_lane(high_link.link, 1, 16);
        const auto offered = low.find<link::LaneOffered>(low_link);
        CHECK(offered && offered->lane == 1);
        low.pump->connect_lane(low_link, 1, offered->ring_ref, offered->port);
        CHECK(low.wait_for<link::LinkUp>(low_link));
        CHECK(eventually([&] { return lanes(low) == 2 && lanes(high) == 2; }));
    }
    static unsigned lanes(Domain& domain) { return domain.pump->links().at(0).lanes; }
    template <typename Condition>
    static bool eventually(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::yield();
        }
        return condition();
    }
    // How many streams each lane has, by their ids.
    static std::map<unsigned, int> streams_by_lane(Domain& domain) {
        std::map<unsigned, int> result;
        for (const pump::StreamInfo& stream : domain.pump->streams()) {
            ++result[stream.stream >> abi::kStreamLaneShift];
        }
        return result;
    }
    // Streams that have carried a byte each way.
    std::vector<sys::UniqueFd> answered(int count) {
        std::vector<sys::UniqueFd> open;
        for (int i = 0; i < count; ++i) {
            char byte = 'x';
            open.push_back(dial(low.dir + "/svc"));
            write_all(open.back().get(), &byte, 1);
            CHECK(::recv(open.back().get(), &byte, 1, 0) == 1);
        }
        return open;
    }
    void check_released() {
        CHECK(low.wait_for<pump::LinkReleased>(low_link));
        CHECK(high.wait_for<pump::LinkReleased>(high_link.link));
        for (const auto& counts : machine.counts()) {
            CHECK(counts.grants == 0 && counts.mappings == 0 && counts.event_channels == 0);
        }
    }

    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain low{machine, root.path, 0, link::Timings{}.longest_poll, kLowPumps};
    Domain high{machine, root.path, 3, link::Timings{}.longest_poll, kHighPumps};
    pump::Pump::Offer high_link{};
    link::LinkId low_link = 0;
};

void streams_are_distributed() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    char byte = 'x';
    const std::vector<sys::UniqueFd> open = pair.answered(20);
    CHECK(Pair::streams_by_lane(pair.low) == (std::map<unsigned, int>{{0, 10}, {1, 10}}));
    CHECK(Pair::streams_by_lane(pair.high) == (std::map<unsigned, int>{{0, 10}, {1, 10}}));
    CHECK(pair.low.pump->links().size() == 1 && pair.low.pump->links().at(0).streams == 20);
    // Each by its id, whatever its lane.
    for (const pump::StreamInfo& stream : pair.low.pump->streams()) {
        CHECK(pair.low.pump->terminate(pair.low_link, stream.stream));
    }
    for (const sys::UniqueFd& fd : open) {
        CHECK(::recv(fd.get(), &byte, 1, 0) <= 0);
    }
    CHECK(!pair.low.pump->terminate(pair.low_link, 7U << abi::kStreamLaneShift));
}

void one_after_the_other_stays_on_the_first() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    for (unsigned i = 0; i < 10; ++i) {
        CHECK(round_trip(pair.low.dir + "/svc", 1000, i));
        CHECK(Pair::eventually([&] { return pair.low.pump->streams().empty(); }));
    }
    CHECK(Pair::streams_by_lane(pair.high).count(1) == 0);
}

void bytes_arrive_as_they_were_sent() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    std::atomic<int> good{0};
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 24; ++i) {
        clients.emplace_back(
            [&, i] { good += round_trip(pair.low.dir + "/svc", 300'000 + i, i) ? 1 : 0; });
    }
    for (std::thread& client : clients) {
        client.join();
    }
    CHECK(good == 24);
}

void closing_ends_all_lanes() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    char byte = 'x';
    const std::vector<sys::UniqueFd> open = pair.answered(4);
    pair.low.pump->close_link(pair.low_link, sys::Duration::zero());
    for (const sys::UniqueFd& fd : open) {
        CHECK(::recv(fd.get(), &byte, 1, 0) <= 0);
    }
    CHECK(pair.high.find<link::LinkDown>(pair.high_link.link)->reason ==
          link::DownReason::kPeerGone);
    pair.check_released();
}

// Streams on every lane may finish; only then is the link over, in order.
void a_drain_waits_for_all_lanes() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    char byte = 'x';
    const std::vector<sys::UniqueFd> open = pair.answered(4);
    pair.high.pump->close_link(pair.high_link.link, std::chrono::seconds(60));
    CHECK(pair.low.wait_for<link::LinkDraining>(pair.low_link));
    for (const sys::UniqueFd& fd : open) {
        write_all(fd.get(), &byte, 1);
        CHECK(::recv(fd.get(), &byte, 1, 0) == 1);
        ::shutdown(fd.get(), SHUT_WR);
        CHECK(::recv(fd.get(), &byte, 1, 0) == 0);
    }
    CHECK(pair.low.find<link::LinkDown>(pair.low_link)->reason == link::DownReason::kGoodbye);
    CHECK(pair.high.find<link::LinkDown>(pair.high_link.link)->reason ==
          link::DownReason::kGoodbye);
    pair.check_released();
}

void a_limit_holds_for_all_lanes_together() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    link::Limits limits;
    limits.streams_per_peer = 3;
    pair.low.pump->set_limits(limits, std::size_t{64} << 20);
    std::vector<sys::UniqueFd> open;
    int served = 0;
    for (int i = 0; i < 8; ++i) {
        char byte = 'x';
        open.push_back(dial(pair.low.dir + "/svc"));
        write_all(open.back().get(), &byte, 1);
        served += ::recv(open.back().get(), &byte, 1, 0) == 1 ? 1 : 0;
    }
    CHECK(served == 3);
}

// Unused offers end with the link.
void a_lane_that_is_not_taken() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain low{machine, root.path, 0, link::Timings{}.longest_poll, 2};
    Domain high{machine, root.path, 3, link::Timings{}.longest_poll, 2};
    const pump::Pump::Offer offer = high.pump->offer(0, 12);
    const link::LinkId link = low.pump->connect(3, offer.ring_ref, offer.port);
    CHECK(high.wait_for<link::LinkUp>(offer.link));
    high.pump->offer_lane(offer.link, 1, 12);
    CHECK(low.wait_for<link::LaneOffered>(link));
    CHECK(high.pump->links().at(0).lanes == 1);
    low.pump->close_link(link, std::chrono::seconds(60));
    CHECK(low.wait_for<pump::LinkReleased>(link));
    CHECK(high.wait_for<pump::LinkReleased>(offer.link));
    for (const auto& counts : machine.counts()) {
        CHECK(counts.grants == 0 && counts.mappings == 0 && counts.event_channels == 0);
    }
    try {
        high.pump->offer_lane(offer.link, 1, 12);
        CHECK(false);
    } catch (const std::system_error& error) {
        CHECK(error.code().value() == ENOLINK);
    }
}

// With one pump at one end there is nothing to offer.
void one_pump_has_one_lane() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain low{machine, root.path, 0};
    Domain high{machine, root.path, 3, link::Timings{}.longest_poll, 4};
    const pump::Pump::Offer offer = high.pump->offer(0, 12);
    low.pump->connect(3, offer.ring_ref, offer.port);
    CHECK(high.find<link::LinkUp>(offer.link)->lanes_to_offer == 0);
}

// Links are distributed too: a hub's guests do not all share one thread.
void links_have_different_pumps() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain hub{machine, root.path, 0, link::Timings{}.longest_poll, 2};
    std::vector<std::unique_ptr<Domain>> guests;
    for (std::uint32_t domid = 1; domid <= 4; ++domid) {
        guests.push_back(std::make_unique<Domain>(machine, root.path, domid));
        const pump::Pump::Offer offer = guests.back()->pump->offer(0, 12);
        const link::LinkId link =
            hub.pump->connect(static_cast<hypervisor::DomId>(domid), offer.ring_ref, offer.port);
        CHECK(hub.wait_for<link::LinkUp>(link));
    }
    std::map<unsigned, int> links_of_pump;
    for (const pump::LinkInfo& link : hub.pump->links()) {
        ++links_of_pump[link.pump];
    }
    CHECK(links_of_pump == (std::map<unsigned, int>{{0, 2}, {1, 2}}));
}

// The sum of all lanes, with the streams that are still open.
void services_are_counted() {
    Pair pair;
    const Service service(pair.high.dir + "/t", echo);
    const auto counted = [](Domain& domain, link::Direction direction) {
        const auto services = domain.pump->links().at(0).services;
        return services.size() == 1 && services[0].direction == direction &&
               services[0].service == "svc" && services[0].streams == 8 &&
               services[0].bytes_sent == 8 && services[0].bytes_received == 8;
    };
    auto open = pair.answered(8);
    CHECK(Pair::streams_by_lane(pair.low).size() == 2);
    open.resize(4);
    CHECK(Pair::eventually([&] { return counted(pair.low, link::Direction::kOutgoing); }));
    CHECK(Pair::eventually([&] { return counted(pair.high, link::Direction::kIncoming); }));
    open.clear();
    CHECK(Pair::eventually([&] { return pair.low.pump->streams().empty(); }));
    CHECK(counted(pair.low, link::Direction::kOutgoing));
}

// A peer may announce ever new names.
void names_of_services_are_bounded() {
    link::ServiceTally tally;
    constexpr std::size_t kNames = link::ServiceTally::kMaxServices + 100;
    for (std::size_t i = 0; i < kNames; ++i) {
        tally.add(link::Direction::kOutgoing, "svc" + std::to_string(i), 1, 2);
    }
    const auto list = tally.list();
    CHECK(list.size() == link::ServiceTally::kMaxServices + 1);
    const auto others =
        std::find_if(list.begin(), list.end(), [](const auto& one) { return one.service.empty(); });
    CHECK(others != list.end() && others->streams == 100 && others->bytes_received == 200);
}

}  // namespace

int main() {
    tap::test("services are counted, over all lanes", services_are_counted);
    tap::test("the names of services are bounded", names_of_services_are_bounded);
    tap::test("streams are distributed among lanes", streams_are_distributed);
    tap::test("one after the other they stay on the first lane",
              one_after_the_other_stays_on_the_first);
    tap::test("bytes arrive as they were sent, on all lanes", bytes_arrive_as_they_were_sent);
    tap::test("closing a link ends all its lanes", closing_ends_all_lanes);
    tap::test("a drain waits for the streams of all lanes", a_drain_waits_for_all_lanes);
    tap::test("a limit of streams holds for all lanes together",
              a_limit_holds_for_all_lanes_together);
    tap::test("a lane that the peer does not connect", a_lane_that_is_not_taken);
    tap::test("one pump at one end: one lane", one_pump_has_one_lane);
    tap::test("links are distributed among pumps", links_have_different_pumps);
    return tap::done();
}

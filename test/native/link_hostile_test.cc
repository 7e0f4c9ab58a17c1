// A peer that does what no correct peer does, in more than one step: its link ends, with the
// reason, and nothing else in the daemon is affected. See link_faults_test.cc.
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "hostile.h"
#include "tap.h"

namespace {

using namespace hostile;

void a_list_of_services_without_end() {
    Stage stage;
    const std::string detail = stage.reason_of([&](Hostile& hostile) {
        Script script;
        script.hello();
        hostile.send(script);
        // Each part fits the ring, which is read meanwhile; together they exceed the limit of a
        // message.
        for (int part = 0; part < 3; ++part) {
            Script more;
            more.frame(FrameType::kServices, 0, 0, std::string(30'000, 'x'), abi::kServicesMore);
            CHECK(hostile.was_read());
            hostile.send(more);
        }
    });
    CHECK(detail.find("SERVICES message over") != std::string::npos);
}

void other_versions_and_domains() {
    Stage stage;
    CHECK(stage
              .reason_of([](Hostile& hostile) { hostile.send(Script().hello(3, 0, 9)); },
                         link::DownReason::kVersion)
              .find("versions 9 to 9") != std::string::npos);
    CHECK(stage
              .reason_of([](Hostile& hostile) { hostile.send(Script().hello(7, 0)); },
                         link::DownReason::kIdentity)
              .find("domain 7") != std::string::npos);
}

// A fault on a further lane ends the link as one on the first does.
void faults_on_another_lane() {
    struct Case {
        Script script;
        link::DownReason reason;
        const char* detail;
    };
    const std::vector<Case> cases{
        {Script().hello(3, 0, 1, 2, 0), link::DownReason::kIdentity,
         "lane 1: the peer says it is at lane 0, we are at lane 1"},
        {Script().hello(3, 0, 1, 2, 1).frame(FrameType::kServices, 0, 0, "\1"),
         link::DownReason::kCorrupt, "lane 1: frame type 2 belongs to the first lane"},
        {Script().hello(3, 0, 1, 2, 1).lane(1), link::DownReason::kCorrupt,
         "lane 1: frame type 6 belongs to the first lane"},
        {Script().hello(3, 0, 1, 2, 1).open(2, "svc"), link::DownReason::kCorrupt,
         "lane 1: OPEN with an id"},
    };
    Stage stage;
    for (const Case& one : cases) {
        Hostile first(stage.hostile_dir);
        Hostile second(stage.hostile_dir);
        const link::LinkId link = stage.victim.pump->connect(3, first.ring_ref(), first.port());
        first.send(Script().hello(3, 0, 1, 2));
        CHECK(stage.victim.wait_for<link::LinkUp>(link));
        stage.victim.pump->connect_lane(link, 1, second.ring_ref(), second.port());
        second.send(one.script);
        const auto down = stage.victim.find<link::LinkDown>(link);
        CHECK(down && down->reason == one.reason &&
              down->detail.find(one.detail) != std::string::npos);
        CHECK(stage.victim.wait_for<pump::LinkReleased>(link));
    }
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
}

// The same domain, but another daemon than at the other end of the first lane.
void another_instance_on_another_lane() {
    Stage stage;
    Hostile first(stage.hostile_dir);
    Hostile second(stage.hostile_dir);
    const link::LinkId link = stage.victim.pump->connect(3, first.ring_ref(), first.port());
    first.send(Script().hello(3, 0, 1, 2));
    CHECK(stage.victim.wait_for<link::LinkUp>(link));
    stage.victim.pump->connect_lane(link, 1, second.ring_ref(), second.port());
    Script other;
    other.hello(3, 0, 1, 2, 1);
    other.bytes[sizeof(abi::FrameHeader) + offsetof(abi::Hello, instance)] = 'x';
    second.send(other);
    const auto down = stage.victim.find<link::LinkDown>(link);
    CHECK(down && down->reason == link::DownReason::kIdentity);
    CHECK(down && down->detail.find("another instance") != std::string::npos);
}

void a_peer_that_says_nothing() {
    Stage stage;
    CHECK(stage.reason_of([](Hostile&) {}, link::DownReason::kSilent).empty());
}

void spurious_notifications_affect_nothing_else() {
    Stage stage;
    Hostile hostile(stage.hostile_dir);
    const link::LinkId link = stage.victim.pump->connect(3, hostile.ring_ref(), hostile.port());
    hostile.send(Script().hello());
    CHECK(stage.victim.wait_for<link::LinkUp>(link));
    std::atomic<bool> over{false};
    std::thread storm([&] {
        while (!over) {
            hostile.ring();
        }
    });
    for (unsigned i = 0; i < 20; ++i) {
        CHECK(round_trip(stage.victim.dir + "/svc", 50'000, i));
    }
    over = true;
    storm.join();
}

}  // namespace

int main() {
    tap::test("a list of services without end", a_list_of_services_without_end);
    tap::test("other versions and other domains", other_versions_and_domains);
    tap::test("faults on another lane end the link", faults_on_another_lane);
    tap::test("another instance on another lane", another_instance_on_another_lane);
    tap::test("a peer that says nothing", a_peer_that_says_nothing);
    tap::test("a storm of notifications affects nobody else",
              spurious_notifications_affect_nothing_else);
    return tap::done();
}

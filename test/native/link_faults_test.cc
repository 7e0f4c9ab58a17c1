// Each fault of section 7 of docs/protocol.md that a peer can cause with one write, in both roles:
// it ends that link, with its reason, and affects nothing else in the daemon.
#include <cstdio>
#include <string>
#include <vector>

#include "hostile.h"
#include "tap.h"

namespace {

using namespace hostile;

struct Fault {
    const char* what;
    Script script;
    const char* detail;
};

// An id that a peer in that role may choose: the server opens streams with even ids, the client
// with odd ones.
std::vector<Fault> faults(Role role) {
    const std::uint32_t mine = role == Role::kServer ? 2 : 3;
    const std::uint32_t other = 5 - mine;
    const auto greeted = [](std::uint32_t lanes = 1) { return Script().hello(3, 0, 1, lanes); };
    const std::string name(65, 'x');
    return {
        {"no HELLO", Script().frame(FrameType::kPing), "the first frame is not HELLO"},
        {"a short HELLO", Script().frame(FrameType::kHello, 0, 0, "xsock001"),
         "HELLO is too short"},
        {"a HELLO without payloads", Script().hello(3, 0, 1, 1, 0, 15), "HELLO allows no payload"},
        {"a second HELLO", greeted().hello(), "frame type 1 does not belong to the link"},
        {"HELLO on a stream", greeted().open(mine, "svc").frame(FrameType::kHello, mine),
         "frame type 1 does not belong to a stream"},
        {"PING on a stream", greeted().open(mine, "svc").frame(FrameType::kPing, mine),
         "frame type 3 does not belong to a stream"},
        {"GOODBYE on a stream that is not there", greeted().frame(FrameType::kGoodbye, mine),
         "frame type 5 does not belong to a stream"},
        {"padding that is not there", greeted().unpadded(FrameType::kPing, "12345"),
         "truncated frame"},
        {"half a header", greeted().half_a_header(), "truncated frame header"},
        {"the id 1", greeted().open(1, "svc"), "OPEN with an id"},
        {"a frame over the limit", greeted().raw(300'000, 19, 0, mine, 0), "frame of 300000 bytes"},
        {"a frame of 4 GiB", greeted().raw(0xffffffff, 19, 0, mine, 0),
         "frame of 4294967295 bytes"},
        {"an unknown frame of the link", greeted().raw(0, 99, 0, 0, 0), "frame type 99"},
        {"an unknown frame of a stream", greeted().raw(0, 99, 0, mine, 0), "frame type 99"},
        {"a stream's frame on the link", greeted().frame(FrameType::kData), "does not belong"},
        {"a payload that is not there", greeted().raw(4000, 19, 0, mine, 0), "truncated frame"},
        {"an id of the other side", greeted().open(other, "svc"), "OPEN with an id"},
        {"an id below the first", greeted().open(0x0, "svc"), "does not belong to the link"},
        {"an id in use", greeted().open(mine, "svc").open(mine, "svc"), "OPEN with an id"},
        {"an id of another lane", greeted().open(mine | 1U << 28, "svc"), "OPEN with an id"},
        {"a lane that was not agreed on", greeted().lane(1), "LANE that was not agreed on"},
        {"the first lane once more", greeted(2).lane(0), "LANE that was not agreed on"},
        {"a lane twice", greeted(2).lane(1).lane(1), "LANE that was not agreed on"},
        {"a lane beyond all", greeted(1000).lane(1000), "LANE that was not agreed on"},
        {"half a lane", greeted(2).frame(FrameType::kLane, 0, 0, "1234"),
         "LANE that was not agreed on"},
        {"neither name nor port", greeted().open(mine, ""), "OPEN needs"},
        {"name and port", greeted().open(mine, "svc", 80), "OPEN needs"},
        {"a name that is too long", greeted().open(mine, name), "OPEN needs"},
        {"a name that is not there",
         greeted().frame(FrameType::kOpen, mine, 0, std::string("\0\0\x20\0", 4)), "OPEN needs"},
        {"data beyond the credit",
         greeted().open(mine, "svc").frame(FrameType::kData, mine, 0, std::string(40'000, 'x')),
         "DATA beyond the credit"},
        {"data after the end",
         greeted()
             .open(mine, "svc")
             .frame(FrameType::kShutdown, mine, 0, "", abi::kShutdownSend)
             .frame(FrameType::kData, mine, 0, "x"),
         "DATA after the end"},
        {"credit that overflows",
         greeted()
             .open(mine, "svc")
             .frame(FrameType::kCredit, mine, 0xffffffff)
             .frame(FrameType::kCredit, mine, 0xffffffff),
         "credit overflow"},
        {"unknown flags of SHUTDOWN",
         greeted().open(mine, "svc").frame(FrameType::kShutdown, mine, 0, "", 0x80),
         "SHUTDOWN with unknown flags"},
        {"ACCEPT by the opener", greeted().open(mine, "svc").frame(FrameType::kAccept, mine),
         "ACCEPT for a stream"},
        {"REFUSE by the opener", greeted().open(mine, "svc").frame(FrameType::kRefuse, mine, 1),
         "REFUSE for a stream"},
    };
}

void each_fault_ends_its_link_only(Role role) {
    Stage stage;
    for (const Fault& fault : faults(role)) {
        const std::string detail =
            stage.reason_of([&](Hostile& hostile) { hostile.send(fault.script); },
                            link::DownReason::kCorrupt, role);
        if (detail.find(fault.detail) == std::string::npos) {
            std::printf("# %s: %s\n", fault.what, detail.c_str());
        }
        CHECK(detail.find(fault.detail) != std::string::npos);
    }
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
}

// Only the server may offer lanes.
void a_lane_from_the_client() {
    Stage stage;
    const std::string detail =
        stage.reason_of([](Hostile& hostile) { hostile.send(Script().hello(3, 0, 1, 2).lane(1)); },
                        link::DownReason::kCorrupt, Role::kClient);
    CHECK(detail == "LANE that was not agreed on");
}

void impossible_indices_and_live_bytes(Role role) {
    Stage stage;
    const auto reason_of = [&](const std::function<void(Hostile&)>& act) {
        return stage.reason_of(
            [&](Hostile& hostile) {
                hostile.send(Script().hello());
                act(hostile);
            },
            link::DownReason::kCorrupt, role);
    };
    CHECK(reason_of([](Hostile& hostile) {
              ring::store_release(hostile.out().prod, 0x7fffffffU);
              hostile.ring();
          }).find("producer index out of range") != std::string::npos);
    CHECK(reason_of([](Hostile& hostile) {
              ring::store_release(hostile.in().cons, 0x12345678U);
              // Requires an answer, so that the victim checks the index.
              hostile.send(Script().frame(FrameType::kPing, 0, 7));
          }).find("index out of range") != std::string::npos);
    CHECK(reason_of([](Hostile& hostile) {
              ring::store_release(hostile.live(), std::uint8_t{77});
              hostile.ring();
          }).find("live byte") != std::string::npos);
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
}

}  // namespace

int main() {
    for (const Role role : {Role::kServer, Role::kClient}) {
        const std::string by = role == Role::kServer ? "server: " : "client: ";
        tap::test((by + "each fault ends its link with its reason, and nothing else").c_str(),
                  [role] { each_fault_ends_its_link_only(role); });
        tap::test((by + "impossible indices and live bytes").c_str(),
                  [role] { impossible_indices_and_live_bytes(role); });
    }
    tap::test("a lane from the client", a_lane_from_the_client);
    return tap::done();
}

// The answers to frames that are complete but invalid or unexpected, and the limits. Faults that
// end the link at once are in link_hostile_test.cc and link_faults_test.cc.
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "peer.h"
#include "programs.h"
#include "tap.h"

namespace {

using namespace by_hand;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);

void names_that_no_service_has() {
    Stage stage;
    stage.offer("/nowhere");
    CHECK(stage.peer->hello());
    std::uint32_t stream = 2;
    for (const std::string& name :
         {std::string("a/b"), std::string("../../etc/passwd"), std::string(".."),
          std::string("svc\0", 4), std::string("\x1b[31mred"), std::string(64, '\xff')}) {
        CHECK(stage.peer->open(stream, name));
        const auto refused = stage.peer->receive(FrameType::kRefuse);
        CHECK(refused && refused->stream == stream &&
              refused->argument == static_cast<std::uint32_t>(abi::RefuseReason::kNoSuchService));
        stream += 2;
    }
    CHECK(stage.peer->send(FrameType::kPing, 0, "", 0, 7));
    CHECK(stage.peer->receive(FrameType::kPong));
}

// They may have crossed with the frame that ended the stream.
void frames_for_streams_that_are_not_there() {
    Stage stage;
    CHECK(stage.peer->hello());
    for (const FrameType type : {FrameType::kData, FrameType::kCredit, FrameType::kShutdown,
                                 FrameType::kReset, FrameType::kAccept, FrameType::kRefuse}) {
        for (const std::uint32_t stream : {1U, 2U, 3U, 0xffffffffU}) {
            CHECK(stage.peer->send(type, stream, "bytes", 0xff, 0xffffffff));
        }
    }
    CHECK(stage.peer->send(FrameType::kPing, 0, "with a payload", 0xff, 7));
    const auto pong = stage.peer->receive(FrameType::kPong);
    CHECK(pong && pong->argument == 7);
    CHECK(stage.pump->links().at(0).counters.stale_frames == 6 * 4);
}

void more_streams_than_allowed() {
    constexpr std::uint32_t kLimit = 2;
    constexpr std::uint32_t kSurplus = 1024;
    Stage stage(1 << 20, kLimit);
    const std::string path = stage.root.path + "/held";
    const Service held(path, echo);
    stage.offer(path);
    CHECK(stage.peer->hello());
    // None of the refusals is read, so they wait for space in the ring.
    const std::uint32_t answered = kRing / sizeof(abi::FrameHeader);
    for (std::uint32_t i = 1; i <= kLimit + kSurplus + answered; ++i) {
        if (!stage.peer->open(2 * i, 80)) {
            break;  // the link is down
        }
        const auto links = stage.pump->links();
        if (links.empty()) {
            break;
        }
    }
    CHECK(stage.fault_of(stage.link) == "more streams than the limit of 2");
}

void an_answer_without_a_known_reason() {
    Stage stage;
    const std::string path = stage.root.path + "/svc";
    stage.pump->listen(stage.link, {"svc", 0}, sys::SocketKind::kUnix,
                       sys::listen_unix(path, 0600, kSame, kSame));
    CHECK(stage.peer->hello());
    CHECK(stage.peer->send(FrameType::kPing, 0, "", 0, 1));
    CHECK(stage.peer->receive(FrameType::kPong));
    const sys::UniqueFd program = dial(path);
    const auto open = stage.peer->receive(FrameType::kOpen);
    CHECK(open);
    if (open) {
        CHECK(stage.peer->send(FrameType::kRefuse, open->stream, "", 0, 77));
    }
    CHECK(stage.fault_of(stage.link) == "REFUSE without a known reason");
    bool ok = true;
    CHECK(read_all(program.get(), ok).empty());
}

// The other role: domain 0 grants, the peer maps.
void a_client_that_comes_twice() {
    Stage stage;
    const pump::Pump::Offer offer = stage.pump->offer(3, kOrder);
    hypervisor::Hypervisor hypervisor = hypervisor::loopback::connect_loopback(stage.dir(3));
    const auto port = hypervisor.doorbells->bind_interdomain(0, offer.port);
    const auto memory = channel::ChannelMemory::map(*hypervisor.memory, 0, offer.ring_ref, port);
    abi::ControlPage& page = memory.page();
    ring::store_release(page.cli_live, abi::kLive);
    hypervisor.doorbells->notify(port);
    CHECK(Peer::until([&] { return ring::load_acquire(page.right.prod) > 0; }));
    ring::store_release(page.cli_live, abi::kNoClientYet);
    hypervisor.doorbells->notify(port);
    CHECK(stage.fault_of(offer.link) == "the peer's live byte went back to 'no client yet'");
}

void bytes_taken_back() {
    Stage stage;
    CHECK(stage.peer->hello());
    CHECK(stage.peer->was_read());
    stage.peer->claim(-16);
    CHECK(stage.fault_of(stage.link) == "producer index out of range");
}

void half_a_header() {
    Stage stage;
    CHECK(stage.peer->hello());
    stage.peer->claim(8);
    CHECK(stage.fault_of(stage.link) == "truncated frame header");
}

// The peer reads nothing; measures how far the ring fills while the other stream is interactive.
void beside_an_interactive_stream() {
    using Clock = std::chrono::steady_clock;
    constexpr std::uint32_t kMost = 2 * 32 * 1024 + 1024;
    constexpr auto kInteractiveTime = std::chrono::milliseconds(10);  // half of the real one
    std::uint32_t most = 0;
    for (int round = 0; round < 200 && most < 32 * 1024; ++round) {
        Stage stage;
        stage.arrive(20);
        CHECK(stage.peer->hello());
        const std::string path = stage.root.path + "/listener";
        CHECK(Peer::until([&] { return stage.peer->used() > 0; }));
        stage.pump->listen(stage.link, {"svc", 0}, sys::SocketKind::kUnix,
                           sys::listen_unix(path, 0600, kSame, kSame));
        const auto interactive = dial(path);
        const auto bulk = dial(path);
        const std::uint32_t before = stage.peer->used();
        CHECK(::send(bulk.get(), "x", 1, 0) == 1);
        CHECK(Peer::until([&] { return stage.peer->used() >= before + 32; }));
        // Before that, nothing is sent beyond a program's first bytes.
        CHECK(stage.peer->send(FrameType::kAccept, 3) && stage.peer->send(FrameType::kAccept, 5));
        CHECK(stage.peer->was_read());
        const std::uint32_t quiet = stage.peer->used();
        const auto start = Clock::now();
        CHECK(::send(interactive.get(), "y", 1, 0) == 1);
        CHECK(Peer::until([&] { return stage.peer->used() >= quiet + 32; }));
        std::thread writer([&] {
            const std::string data(4 << 20, 'b');
            static_cast<void>(::send(bulk.get(), data.data(), data.size(), MSG_NOSIGNAL));
        });
        for (;;) {
            const std::uint32_t used = stage.peer->used();
            if (Clock::now() >= start + kInteractiveTime) {
                break;  // it may no longer count as interactive
            }
            most = std::max(most, used);
        }
        ::shutdown(bulk.get(), SHUT_RDWR);
        writer.join();
    }
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    // A sanitizer may make the pump too slow to get that far in time.
    CHECK(most >= 32 * 1024);
#endif
    CHECK(most <= kMost);
}

}  // namespace

int main() {
    tap::test("unknown service names are refused, whatever their bytes", names_that_no_service_has);
    tap::test("frames for unknown streams are ignored", frames_for_streams_that_are_not_there);
    tap::test("streams beyond the limit are refused, and many more end the link",
              more_streams_than_allowed);
    tap::test("a refusal needs a known reason", an_answer_without_a_known_reason);
    tap::test("a live byte that goes back to 'no client yet'", a_client_that_comes_twice);
    tap::test("a producer index that jumps back", bytes_taken_back);
    tap::test("an incomplete header", half_a_header);
    tap::test("beside an interactive stream the others fill little of the ring",
              beside_an_interactive_stream);
    return tap::done();
}

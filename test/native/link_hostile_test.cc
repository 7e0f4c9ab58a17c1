// A peer that writes what no correct peer writes: each fault ends that link, with its reason, and
// nothing else in the daemon takes notice.
#include <cstring>
#include <functional>
#include <string>

#include "abi/frame.h"
#include "domain.h"
#include "link/channel.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;
using abi::FrameType;

constexpr auto kSame = static_cast<std::uint32_t>(-1);
constexpr std::uint16_t kOrder = 16;

// Frames as bytes, ready for the ring.
class Script {
  public:
    Script& raw(std::uint32_t length, std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                std::uint32_t argument, const std::string& payload = "") {
        const abi::FrameHeader header{length,  static_cast<FrameType>(type), flags, 0, stream,
                                      argument};
        bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
        bytes.append(payload);
        bytes.resize((bytes.size() + 15) / 16 * 16);
        return *this;
    }
    Script& frame(FrameType type, std::uint32_t stream = 0, std::uint32_t argument = 0,
                  const std::string& payload = "", std::uint8_t flags = 0) {
        return raw(static_cast<std::uint32_t>(payload.size()), static_cast<std::uint8_t>(type),
                   flags, stream, argument, payload);
    }
    Script& hello(std::uint32_t domid = 3, std::uint32_t peer = 0, std::uint16_t version = 1,
                  std::uint32_t max_lanes = 1, std::uint32_t lane = 0) {
        abi::Hello hello{};
        std::memcpy(hello.magic, abi::kHelloMagic, sizeof hello.magic);
        hello.version_min = version;
        hello.version_max = version;
        hello.domid = domid;
        hello.peer_domid = peer;
        hello.initial_window = 4096;
        hello.max_payload = abi::kMaxPayload;
        hello.max_streams = 100;
        hello.max_lanes = max_lanes;
        hello.lane = lane;
        return frame(FrameType::kHello, 0, 0,
                     std::string(reinterpret_cast<const char*>(&hello), sizeof hello));
    }
    Script& open(std::uint32_t stream, const std::string& name, std::uint16_t port = 0) {
        const abi::Open open{port, static_cast<std::uint16_t>(name.size())};
        return frame(FrameType::kOpen, stream, 0,
                     std::string(reinterpret_cast<const char*>(&open), sizeof open) + name);
    }
    Script& lane(std::uint32_t number) {
        const abi::Lane lane{number, 1, 1, 0};
        return frame(FrameType::kLane, 0, 0,
                     std::string(reinterpret_cast<const char*>(&lane), sizeof lane));
    }
    std::string bytes;
};

// The granting side of a link, played by hand. It never reads.
class Hostile {
  public:
    explicit Hostile(const std::string& domain_dir)
        : hypervisor_(hypervisor::loopback::connect_loopback(domain_dir)),
          port_(hypervisor_.doorbells->allocate_unbound(0)),
          memory_(link::ChannelMemory::share(*hypervisor_.memory, 0, kOrder, port_)) {}

    [[nodiscard]] hypervisor::GrantRef ring_ref() const { return memory_.ring_ref(); }
    [[nodiscard]] hypervisor::EventChannelPort port() const { return port_; }
    [[nodiscard]] abi::ControlPage& page() { return memory_.page(); }

    void send(const Script& script) {
        const auto source = std::as_bytes(std::span(script.bytes));
        ring::segments(memory_.right(), prod_, source.size()).copy_from(source);
        prod_ += static_cast<std::uint32_t>(source.size());
        ring::store_release(page().right.prod, prod_);
        ring();
    }
    void ring() { hypervisor_.doorbells->notify(port_); }
    // Waits until the victim has read all; false at the deadline.
    bool was_read() {
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        while (ring::load_acquire(page().right.cons) != prod_) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

  private:
    hypervisor::Hypervisor hypervisor_;
    hypervisor::EventChannelPort port_;
    link::ChannelMemory memory_;
    std::uint32_t prod_ = 0;
};

// Domain 0 is the victim; it has a service and a link with itself that must not notice anything.
struct Stage {
    Stage() {
        std::filesystem::create_directories(hostile_dir);
        machine.introduce(3, hostile_dir + "/hypercall");
        service = std::make_unique<Service>(victim.dir + "/target", echo);
        exports = std::make_shared<const link::ExportTable>(
            std::vector<link::ExportEntry>{{"svc", 80, true, {false, victim.dir + "/target", 0}}});
        own = victim.pump->connect_self(16);
        victim.pump->set_exports(own, exports);
        victim.pump->listen(own, {"svc", 0}, false,
                            sys::listen_unix(victim.dir + "/svc", 0600, kSame, kSame));
    }
    // The reason with which the link to a peer that acts so goes down.
    std::string reason_of(const std::function<void(Hostile&)>& act,
                          link::DownReason expected = link::DownReason::kCorrupt) {
        Hostile hostile(hostile_dir);
        const link::LinkId link = victim.pump->connect(3, hostile.ring_ref(), hostile.port());
        victim.pump->set_exports(link, exports);
        act(hostile);
        const auto down = victim.find<link::LinkDown>(link);
        if (down == nullptr) {
            return "it is still up";
        }
        return down->reason == expected ? down->detail : "another reason: " + down->detail;
    }

    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain victim{machine, root.path, 0, link::Timings{}.longest_poll, 2};
    std::string hostile_dir = root.path + "/3";
    std::unique_ptr<Service> service;
    std::shared_ptr<const link::ExportTable> exports;
    link::LinkId own = 0;
};

struct Fault {
    const char* what;
    Script script;
    const char* detail;
};

std::vector<Fault> faults() {
    const auto greeted = [](std::uint32_t lanes = 1) { return Script().hello(3, 0, 1, lanes); };
    const std::string name(65, 'x');
    return {
        {"no HELLO", Script().frame(FrameType::kPing), "the first frame is not HELLO"},
        {"a short HELLO", Script().frame(FrameType::kHello, 0, 0, "xsock001"),
         "HELLO is too short"},
        {"a frame over the limit", greeted().raw(300'000, 19, 0, 3, 0), "frame of 300000 bytes"},
        {"a frame of 4 GiB", greeted().raw(0xffffffff, 19, 0, 3, 0), "frame of 4294967295 bytes"},
        {"an unknown frame of the link", greeted().raw(0, 99, 0, 0, 0), "frame type 99"},
        {"an unknown frame of a stream", greeted().raw(0, 99, 0, 2, 0), "frame type 99"},
        {"a stream's frame on the link", greeted().frame(FrameType::kData), "does not belong"},
        {"a payload that is not there", greeted().raw(4000, 19, 0, 2, 0), "truncated frame"},
        {"an id of the other side", greeted().open(3, "svc"), "OPEN with an id"},
        {"an id below the first", greeted().open(0x0, "svc"), "does not belong to the link"},
        {"an id in use", greeted().open(2, "svc").open(2, "svc"), "OPEN with an id"},
        {"an id of another lane", greeted().open(2 | 1U << 28, "svc"), "OPEN with an id"},
        {"a lane that was not agreed on", greeted().lane(1), "LANE that was not agreed on"},
        {"the first lane once more", greeted(2).lane(0), "LANE that was not agreed on"},
        {"a lane twice", greeted(2).lane(1).lane(1), "LANE that was not agreed on"},
        {"a lane beyond all", greeted(1000).lane(1000), "LANE that was not agreed on"},
        {"half a lane", greeted(2).frame(FrameType::kLane, 0, 0, "1234"),
         "LANE that was not agreed on"},
        {"neither name nor port", greeted().open(2, ""), "OPEN needs"},
        {"name and port", greeted().open(2, "svc", 80), "OPEN needs"},
        {"a name that is too long", greeted().open(2, name), "OPEN needs"},
        {"a name that is not there",
         greeted().frame(FrameType::kOpen, 2, 0, std::string("\0\0\x20\0", 4)), "OPEN needs"},
        {"data beyond the credit",
         greeted().open(2, "svc").frame(FrameType::kData, 2, 0, std::string(40'000, 'x')),
         "DATA beyond the credit"},
        {"data after the end",
         greeted()
             .open(2, "svc")
             .frame(FrameType::kShutdown, 2, 0, "", abi::kShutdownSend)
             .frame(FrameType::kData, 2, 0, "x"),
         "DATA after the end"},
        {"credit that overflows",
         greeted()
             .open(2, "svc")
             .frame(FrameType::kCredit, 2, 0xffffffff)
             .frame(FrameType::kCredit, 2, 0xffffffff),
         "credit overflow"},
        {"unknown flags of SHUTDOWN",
         greeted().open(2, "svc").frame(FrameType::kShutdown, 2, 0, "", 0x80),
         "SHUTDOWN with unknown flags"},
        {"ACCEPT by the opener", greeted().open(2, "svc").frame(FrameType::kAccept, 2),
         "ACCEPT for a stream"},
        {"REFUSE by the opener", greeted().open(2, "svc").frame(FrameType::kRefuse, 2, 1),
         "REFUSE for a stream"},
    };
}

void each_fault_ends_its_link_only() {
    Stage stage;
    for (const Fault& fault : faults()) {
        const std::string detail =
            stage.reason_of([&](Hostile& hostile) { hostile.send(fault.script); });
        if (detail.find(fault.detail) == std::string::npos) {
            std::printf("# %s: %s\n", fault.what, detail.c_str());
        }
        CHECK(detail.find(fault.detail) != std::string::npos);
    }
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
}

void a_list_of_services_without_end() {
    Stage stage;
    const std::string detail = stage.reason_of([&](Hostile& hostile) {
        Script script;
        script.hello();
        hostile.send(script);
        // Each part fits the ring that is read meanwhile; all of them are more than a message may
        // be.
        for (int part = 0; part < 3; ++part) {
            Script more;
            more.frame(FrameType::kServices, 0, 0, std::string(30'000, 'x'), abi::kServicesMore);
            CHECK(hostile.was_read());
            hostile.send(more);
        }
    });
    CHECK(detail.find("SERVICES message over") != std::string::npos);
}

void impossible_indices_and_bytes() {
    Stage stage;
    const auto greet = [](Hostile& hostile) { hostile.send(Script().hello()); };
    CHECK(stage
              .reason_of([&](Hostile& hostile) {
                  greet(hostile);
                  ring::store_release(hostile.page().right.prod, 0x7fffffffU);
                  hostile.ring();
              })
              .find("producer index out of range") != std::string::npos);
    CHECK(stage
              .reason_of([&](Hostile& hostile) {
                  greet(hostile);
                  ring::store_release(hostile.page().left.cons, 0x12345678U);
                  // Something to answer, so that our consumer index is looked at.
                  hostile.send(Script().frame(FrameType::kPing, 0, 7));
              })
              .find("index out of range") != std::string::npos);
    CHECK(stage
              .reason_of([&](Hostile& hostile) {
                  greet(hostile);
                  ring::store_release(hostile.page().srv_live, std::uint8_t{77});
                  hostile.ring();
              })
              .find("live byte") != std::string::npos);
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
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
        CHECK(stage.victim.wait_for<link::LinkReleased>(link));
    }
    CHECK(round_trip(stage.victim.dir + "/svc", 100'000, 1));
}

// The same domain, another daemon: not the one that the first lane leads to.
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

void rings_without_a_reason_cost_nothing_else() {
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
    tap::test("each fault ends its link with its reason, and nothing else",
              each_fault_ends_its_link_only);
    tap::test("a list of services without end", a_list_of_services_without_end);
    tap::test("impossible indices and live bytes", impossible_indices_and_bytes);
    tap::test("other versions and other domains", other_versions_and_domains);
    tap::test("faults on another lane end the link", faults_on_another_lane);
    tap::test("another instance on another lane", another_instance_on_another_lane);
    tap::test("a peer that says nothing", a_peer_that_says_nothing);
    tap::test("a storm of rings costs nobody else", rings_without_a_reason_cost_nothing_else);
    return tap::done();
}

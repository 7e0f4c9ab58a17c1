// A peer that reads its ring as no xsock does, or says more than anybody listens to: our writer
// stays inside the ring, and our memory stays bounded.
#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "abi/frame.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "hypervisor/self/self.h"
#include "link/channel.h"
#include "programs.h"
#include "pump/pump.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;
using abi::FrameType;

constexpr std::uint16_t kOrder = 12;
constexpr std::uint32_t kRing = 1U << kOrder;

// The granting side of a link, played by hand: a writer of whole frames, a reader of any number of
// bytes.
class Peer {
  public:
    explicit Peer(const std::string& domain_dir)
        : hypervisor_(hypervisor::loopback::connect_loopback(domain_dir)),
          port(hypervisor_.doorbells->allocate_unbound(0)),
          memory_(link::ChannelMemory::share(*hypervisor_.memory, 0, kOrder, port)),
          ring_ref(memory_.ring_ref()) {}

    // False: the victim has not made room within ten seconds.
    bool send(FrameType type, std::uint32_t stream, const void* payload = nullptr,
              std::size_t length = 0) {
        const abi::FrameHeader header{static_cast<std::uint32_t>(length), type, 0, 0, stream, 0};
        std::vector<std::byte> frame(sizeof header + (length + 15) / 16 * 16);
        std::memcpy(frame.data(), &header, sizeof header);
        if (length > 0) {
            std::memcpy(frame.data() + sizeof header, payload, length);
        }
        if (!until([&] {
                return kRing - (prod_ - ring::load_acquire(page().right.cons)) >= frame.size();
            })) {
            return false;
        }
        ring::segments(memory_.right(), prod_, frame.size()).copy_from(frame);
        prod_ += static_cast<std::uint32_t>(frame.size());
        ring::store_release(page().right.prod, prod_);
        ring();
        return true;
    }
    bool hello() {
        abi::Hello hello{};
        std::memcpy(hello.magic, abi::kHelloMagic, sizeof hello.magic);
        hello.version_min = abi::kVersionMin;
        hello.version_max = abi::kVersionMax;
        hello.domid = 3;
        hello.initial_window = 1U << 30;
        hello.max_payload = abi::kMaxPayload;
        hello.max_streams = 100;
        return send(FrameType::kHello, 0, &hello, sizeof hello);
    }
    bool open(std::uint32_t stream, std::uint16_t service_port) {
        const abi::Open open{service_port, 0};
        return send(FrameType::kOpen, stream, &open, sizeof open);
    }
    // Bytes that the victim claims to have in the ring.
    std::uint32_t used() { return ring::load_acquire(page().left.prod) - cons_; }
    // Takes `length` of them out, and says so.
    void read(std::uint32_t length, std::string& into) {
        const std::size_t old = into.size();
        into.resize(old + length);
        ring::segments(memory_.left(), cons_, length)
            .copy_to(std::as_writable_bytes(std::span(into).subspan(old)));
        cons_ += length;
        ring::store_release(page().left.cons, cons_);
        ring();
    }
    bool was_read() {
        return until([&] { return ring::load_acquire(page().right.cons) == prod_; });
    }
    static bool until(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

  private:
    abi::ControlPage& page() { return memory_.page(); }
    void ring() { hypervisor_.doorbells->notify(port); }

    hypervisor::Hypervisor hypervisor_;

  public:
    const hypervisor::EventChannelPort port;

  private:
    link::ChannelMemory memory_;
    std::uint32_t prod_ = 0;
    std::uint32_t cons_ = 0;

  public:
    const hypervisor::GrantRef ring_ref;
};

// Domain 0 with a pump whose events wait until somebody takes them; domain 3 is the peer.
struct Stage {
    Stage() {
        for (const std::uint16_t domid : {std::uint16_t{0}, std::uint16_t{3}}) {
            std::filesystem::create_directories(dir(domid));
            machine.introduce(domid, dir(domid) + "/hypercall");
        }
        pump = std::make_unique<pump::Pump>(hypervisor::loopback::connect_loopback(dir(0)),
                                            hypervisor::make_self_hypervisor(), pump::PumpOptions{},
                                            [] {});
        peer = std::make_unique<Peer>(dir(3));
        link = pump->connect(3, peer->ring_ref, peer->port);
    }
    [[nodiscard]] std::string dir(std::uint16_t domid) const {
        return root.path + "/" + std::to_string(domid);
    }

    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    std::unique_ptr<pump::Pump> pump;
    std::unique_ptr<Peer> peer;
    link::LinkId link = 0;
};

// The DATA of the frames in `bytes`, without a last frame that is not whole; false: what is there
// are not frames.
bool data_of(const std::string& bytes, std::string& data) {
    std::size_t at = 0;
    while (at + sizeof(abi::FrameHeader) <= bytes.size()) {
        abi::FrameHeader header;
        std::memcpy(&header, bytes.data() + at, sizeof header);
        const auto type = static_cast<int>(header.type);
        if (header.length > abi::kMaxPayload || header.reserved != 0 || type < 1 || type > 22) {
            return false;
        }
        if (header.type == FrameType::kData) {
            data += bytes.substr(at + sizeof header, header.length);
        }
        at += sizeof header + (header.length + 15) / 16 * 16;
    }
    return true;
}

// Reading a header and its payload one after the other, as a libxenvchan program would, leaves room
// that is not a multiple of a frame's alignment. A writer that fills it and pads would go beyond
// it.
void reads_that_end_inside_a_frame() {
    Stage stage;
    const std::string path = stage.root.path + "/flood";
    const Service flood(path, [](int fd) {
        const Bytes block(1 << 16, 'x');
        for (ssize_t sent = 1; sent > 0;) {
            sent = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL);
        }
    });
    stage.pump->set_exports(
        stage.link, std::make_shared<const link::ExportTable>(
                        std::vector<link::ExportEntry>{{"flood", 80, true, {false, path, 0}}}));
    CHECK(stage.peer->hello());
    for (const std::uint32_t stream : {2U, 4U, 6U}) {
        CHECK(stage.peer->open(stream, 80));
    }
    std::string bytes;
    bool inside = true;
    for (std::uint32_t step = 1; inside && bytes.size() < 1'000'000; step = step % 1021 + 4) {
        if (!Peer::until([&] { return stage.peer->used() > 0; })) {
            CHECK(false);
            break;
        }
        const std::uint32_t used = stage.peer->used();
        inside = used <= kRing;
        if (inside) {
            stage.peer->read(std::min(used, step), bytes);
        }
    }
    CHECK(inside);
    std::string data;
    CHECK(data_of(bytes, data));
    CHECK(data.size() > 500'000 && data.find_first_not_of('x') == std::string::npos);
    stage.pump->stop();
}

// Each list of services replaces the one before; what nobody has taken yet need not be kept.
void services_that_nobody_listens_to() {
    Stage stage;
    CHECK(stage.peer->hello());
    for (int i = 0; i < 20'000; ++i) {
        if (!stage.peer->send(FrameType::kServices, 0, "old", 3)) {
            CHECK(false);
            break;
        }
    }
    CHECK(stage.peer->send(FrameType::kServices, 0, "last", 4));
    CHECK(stage.peer->was_read());
    int count = 0;
    std::string last;
    for (const link::Event& event : stage.pump->take_events()) {
        if (const auto* services = std::get_if<link::Services>(&event)) {
            ++count;
            last.assign(reinterpret_cast<const char*>(services->payload.data()),
                        services->payload.size());
        }
    }
    CHECK(count == 1);
    CHECK(last == "last");
    CHECK(stage.peer->send(FrameType::kServices, 0, "later", 5));
    CHECK(stage.peer->was_read());
    std::size_t later = 0;
    for (const link::Event& event : stage.pump->take_events()) {
        later += std::holds_alternative<link::Services>(event) ? 1 : 0;
    }
    CHECK(later == 1);
}

}  // namespace

int main() {
    tap::test("a reader that stops inside a frame makes nobody write beyond the ring",
              reads_that_end_inside_a_frame);
    tap::test("lists of services that nobody has taken do not pile up",
              services_that_nobody_listens_to);
    return tap::done();
}

// A peer that reads its ring as no xsock does, says more than anybody listens to, or goes and
// leaves its bytes to us: our writer stays inside the ring, and our memory stays bounded.
#include <atomic>
#include <cstring>
#include <functional>
#include <future>
#include <optional>
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
              std::size_t length = 0, std::uint8_t flags = 0) {
        const abi::FrameHeader header{
            static_cast<std::uint32_t>(length), type, flags, 0, stream, 0};
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
    // The next frame's header; empty if none comes within ten seconds.
    std::optional<abi::FrameHeader> receive() {
        abi::FrameHeader header;
        std::string bytes;
        if (!until([&] { return used() >= sizeof header; })) {
            return std::nullopt;
        }
        read(sizeof header, bytes);
        std::memcpy(&header, bytes.data(), sizeof header);
        read((header.length + 15) / 16 * 16, bytes);
        return header;
    }
    // The first frame of `type`.
    std::optional<abi::FrameHeader> receive(FrameType type) {
        for (;;) {
            const auto header = receive();
            if (!header || header->type == type) {
                return header;
            }
        }
    }
    // Whether the first ACCEPT or REFUSE is an ACCEPT.
    bool accepted() {
        for (auto header = receive(); header; header = receive()) {
            if (header->type == FrameType::kAccept || header->type == FrameType::kRefuse) {
                return header->type == FrameType::kAccept;
            }
        }
        return false;
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
    explicit Stage(std::size_t memory_total = 1 << 20) {
        for (const std::uint16_t domid : {std::uint16_t{0}, std::uint16_t{3}}) {
            std::filesystem::create_directories(dir(domid));
            machine.introduce(domid, dir(domid) + "/hypercall");
        }
        pump::PumpOptions options;
        options.memory_total = memory_total;
        pump = std::make_unique<pump::Pump>(hypervisor::loopback::connect_loopback(dir(0)),
                                            hypervisor::make_self_hypervisor(), options, [] {});
        arrive();
    }
    // A new peer, with a new link.
    void arrive() {
        peer = std::make_unique<Peer>(dir(3));
        link = pump->connect(3, peer->ring_ref, peer->port);
    }
    // What the peer may open, as port 80.
    void offer(const std::string& target) {
        pump->set_exports(
            link, std::make_shared<const link::ExportTable>(
                      std::vector<link::ExportEntry>{{"svc", 80, true, {false, target, 0}}}));
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
    stage.offer(path);
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

// What a peer finished sending is delivered after its link is gone, however long the program takes:
// until then it counts.
void bytes_that_a_peer_left_behind_count() {
    // Room for one stream's window, grown once.
    Stage stage(std::size_t{2} * link::kInitialWindow);
    const std::string path = stage.root.path + "/slow";
    std::promise<void> go;
    std::atomic<std::size_t> received{0};
    std::size_t sent = 0;
    {
        const Service slow(path, [&, wait = go.get_future().share()](int fd) {
            wait.wait();
            bool ok = true;
            received += read_all(fd, ok).size();
        });
        stage.offer(path);
        CHECK(stage.peer->hello());
        CHECK(stage.peer->open(2, 80));
        const std::string block(1024, 'x');
        std::size_t credit = link::kInitialWindow;
        const auto buffered = [&] {
            const auto streams = stage.pump->streams();
            return !streams.empty() && streams.front().buffered > 0;
        };
        while (!buffered() && sent < (64U << 20)) {
            if (credit < block.size()) {
                const auto given = stage.peer->receive(FrameType::kCredit);
                if (!given) {
                    break;
                }
                credit += given->argument;
            }
            CHECK(stage.peer->send(FrameType::kData, 2, block.data(), block.size()));
            CHECK(stage.peer->was_read());
            credit -= block.size();
            sent += block.size();
        }
        CHECK(buffered());
        CHECK(stage.peer->send(FrameType::kShutdown, 2, nullptr, 0, abi::kShutdownSend));
        stage.peer.reset();
        const auto opened_again = [&] {
            stage.arrive();
            stage.offer(path);
            return stage.peer->hello() && stage.peer->open(2, 80) && stage.peer->accepted();
        };
        CHECK(!opened_again());
        go.set_value();
        CHECK(Peer::until(opened_again));
        stage.peer.reset();
        stage.pump->stop();
    }
    CHECK(received == sent);
}

}  // namespace

int main() {
    tap::test("a reader that stops inside a frame makes nobody write beyond the ring",
              reads_that_end_inside_a_frame);
    tap::test("lists of services that nobody has taken do not pile up",
              services_that_nobody_listens_to);
    tap::test("bytes that a peer left behind count against the memory for all",
              bytes_that_a_peer_left_behind_count);
    return tap::done();
}

// A domain with a pump, and a peer of it that the test plays: it grants the pages of its link,
// writes any frame and reads any number of bytes.
#pragma once

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "abi/features.h"
#include "abi/frame.h"
#include "channel/channel.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "hypervisor_handles.h"
#include "pump/pumps.h"
#include "tap.h"
#include "temp_dir.h"

namespace by_hand {

using namespace xsock;
using abi::FrameType;

inline constexpr std::uint16_t kOrder = 12;
inline constexpr std::uint32_t kRing = 1U << kOrder;

// The granting side of a link, played by the test: writes whole frames, reads any number of bytes.
class Peer {
  public:
    explicit Peer(const std::string& domain_dir, std::uint16_t order = kOrder)
        : hypervisor_(hypervisor::loopback::connect_loopback(domain_dir)),
          port(hypervisor_.doorbells->allocate_unbound(0)),
          memory_(channel::ChannelMemory::share(*hypervisor_.memory, 0, order, port)),
          ring_ref(memory_.ring_ref()) {}

    // False: the victim has not freed enough space within ten seconds.
    bool send(FrameType type, std::uint32_t stream, std::string_view payload = {},
              std::uint8_t flags = 0, std::uint32_t argument = 0) {
        const abi::FrameHeader header{
            static_cast<std::uint32_t>(payload.size()), type, flags, 0, stream, argument};
        std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
        frame.append(payload).resize((frame.size() + 15) / 16 * 16);
        if (!until([&] {
                return memory_.right().size() - (prod_ - ring::load_acquire(page().right.cons)) >=
                       frame.size();
            })) {
            return false;
        }
        ring::segments(memory_.right(), prod_, frame.size())
            .copy_from(std::as_bytes(std::span(frame)));
        prod_ += static_cast<std::uint32_t>(frame.size());
        ring::store_release(page().right.prod, prod_);
        notify_if_requested(abi::kNotifyWrite);
        return true;
    }
    bool hello(std::uint64_t features = 0) {
        abi::Hello hello{};
        std::memcpy(hello.magic, abi::kHelloMagic, sizeof hello.magic);
        hello.version_min = abi::kVersionMin;
        hello.version_max = abi::kVersionMax;
        hello.domid = 3;
        hello.initial_window = 1U << 30;
        hello.features = features;
        hello.max_payload = abi::kMaxPayload;
        hello.max_streams = 100;
        return send(FrameType::kHello, 0, bytes_of(hello));
    }
    bool open(std::uint32_t stream, std::uint16_t service_port) {
        return send(FrameType::kOpen, stream,
                    bytes_of(abi::Open{.port = service_port, .name_length = 0}));
    }
    bool open(std::uint32_t stream, const std::string& name) {
        const abi::Open open{0, static_cast<std::uint16_t>(name.size())};
        return send(FrameType::kOpen, stream, std::string(bytes_of(open)) + name);
    }
    // Moves the producer index by `bytes`, without writing any.
    void claim(int bytes) {
        prod_ += static_cast<std::uint32_t>(bytes);
        ring::store_release(page().right.prod, prod_);
        notify();
    }
    // Bytes that the victim claims to have in the ring.
    std::uint32_t used() { return ring::load_acquire(page().left.prod) - cons_; }
    // Takes `length` of them out, and publishes that.
    void read(std::uint32_t length, std::string& into) {
        const std::size_t old = into.size();
        into.resize(old + length);
        ring::segments(memory_.left(), cons_, length)
            .copy_to(std::as_writable_bytes(std::span(into).subspan(old)));
        cons_ += length;
        ring::store_release(page().left.cons, cons_);
        notify_if_requested(abi::kNotifyRead);
    }
    // The next frame's header; empty if none comes within ten seconds. `payload` is set to its own.
    std::optional<abi::FrameHeader> receive(std::string* payload = nullptr) {
        abi::FrameHeader header;
        std::string bytes;
        if (!until([&] { return used() >= sizeof header; })) {
            return std::nullopt;
        }
        read(sizeof header, bytes);
        std::memcpy(&header, bytes.data(), sizeof header);
        bytes.clear();
        read((header.length + 15) / 16 * 16, bytes);
        if (payload != nullptr) {
            *payload = bytes.substr(0, header.length);
        }
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
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

  private:
    template <typename T>
    static std::string_view bytes_of(const T& value) {
        return {reinterpret_cast<const char*>(&value), sizeof value};
    }
    abi::ControlPage& page() { return memory_.page(); }
    void notify() { hypervisor_.doorbells->notify(port); }
    // Only on request: a notification for each frame would fill the socket of the event channel,
    // and then the next request would go unanswered (hypervisor/loopback/doorbells.cc).
    void notify_if_requested(std::uint8_t act) {
        if (ring::take_bits(page().srv_notify, act) != 0) {
            notify();
        }
    }

    hypervisor::Hypervisor hypervisor_;

  public:
    const hypervisor::EventChannelPort port;

  private:
    channel::ChannelMemory memory_;
    std::uint32_t prod_ = 0;
    std::uint32_t cons_ = 0;

  public:
    const hypervisor::GrantRef ring_ref;
};

// Domain 0 with a pump whose events stay queued until the test takes them; domain 3 is the peer.
struct Stage {
    explicit Stage(std::size_t memory_total = 1 << 20, std::uint32_t streams_per_peer = 100,
                   abi::FeatureSet features = abi::kSupportedFeatures) {
        for (const std::uint16_t domid : {std::uint16_t{0}, std::uint16_t{3}}) {
            std::filesystem::create_directories(dir(domid));
            machine.introduce(domid, dir(domid) + "/hypercall");
        }
        pump::PumpOptions options;
        options.memory_total = memory_total;
        options.limits.streams_per_peer = streams_per_peer;
        options.features = features;
        pump = std::make_unique<pump::Pumps>(
            hypervisor_handles(1,
                               [this] { return hypervisor::loopback::connect_loopback(dir(0)); }),
            options, [] {});
        arrive();
    }
    // A new peer, with a new link.
    void arrive(std::uint16_t order = kOrder) {
        peer = std::make_unique<Peer>(dir(3), order);
        link = pump->connect(3, peer->ring_ref, peer->port);
    }
    // What the peer may open, as port 80.
    void offer(const std::string& target) {
        pump->set_exports(link,
                          std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                              {"svc", 80, true, {sys::SocketKind::kUnix, target, 0}}}));
    }
    [[nodiscard]] std::string dir(std::uint16_t domid) const {
        return root.path + "/" + std::to_string(domid);
    }

    // Why `which` went down; waits for it.
    std::string fault_of(link::LinkId which) {
        std::string detail = "it is still up";
        Peer::until([&] {
            for (const pump::Event& event : pump->take_events()) {
                const auto* down = std::get_if<link::LinkDown>(&event);
                if (down != nullptr && down->link == which) {
                    detail = down->reason == link::DownReason::kCorrupt
                                 ? down->detail
                                 : "not corrupt: " + down->detail;
                    return true;
                }
            }
            return false;
        });
        return detail;
    }

    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    std::unique_ptr<pump::Pumps> pump;
    std::unique_ptr<Peer> peer;
    link::LinkId link = 0;
};

}  // namespace by_hand

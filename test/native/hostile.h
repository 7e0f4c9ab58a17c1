// A peer that writes what no correct peer writes, in either role, and the domain that is its
// victim.
#pragma once

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "abi/frame.h"
#include "channel/channel.h"
#include "domain.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"

namespace hostile {

using namespace xsock;
using namespace programs;
using abi::FrameType;
using channel::Role;

inline constexpr auto kSame = static_cast<std::uint32_t>(-1);
inline constexpr std::uint16_t kOrder = 16;

// Frames as bytes, to be written into the ring.
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
                  std::uint32_t max_lanes = 1, std::uint32_t lane = 0,
                  std::uint32_t max_payload = abi::kMaxPayload) {
        abi::Hello hello{};
        std::memcpy(hello.magic, abi::kHelloMagic, sizeof hello.magic);
        hello.version_min = version;
        hello.version_max = version;
        hello.domid = domid;
        hello.peer_domid = peer;
        hello.initial_window = 4096;
        hello.max_payload = max_payload;
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
    // Without its padding.
    Script& unpadded(FrameType type, const std::string& payload) {
        const std::size_t before = bytes.size();
        frame(type, 0, 0, payload);
        bytes.resize(before + sizeof(abi::FrameHeader) + payload.size());
        return *this;
    }
    Script& half_a_header() {
        bytes.append(sizeof(abi::FrameHeader) / 2, '\0');
        return *this;
    }
    std::string bytes;
};

// One side of a link, played by hand. It never reads.
class Hostile {
  public:
    // The server: it grants the pages.
    explicit Hostile(const std::string& domain_dir)
        : hypervisor_(hypervisor::loopback::connect_loopback(domain_dir)),
          port_(hypervisor_.doorbells->allocate_unbound(0)),
          memory_(channel::ChannelMemory::share(*hypervisor_.memory, 0, kOrder, port_)) {}
    // The client: it maps the pages that the victim has granted.
    Hostile(const std::string& domain_dir, const pump::Pump::Offer& offer)
        : hypervisor_(hypervisor::loopback::connect_loopback(domain_dir)),
          port_(hypervisor_.doorbells->bind_interdomain(0, offer.port)),
          memory_(channel::ChannelMemory::map(*hypervisor_.memory, 0, offer.ring_ref, port_)) {
        ring::store_release(page().cli_live, abi::kLive);
        ring();
    }

    [[nodiscard]] hypervisor::GrantRef ring_ref() const { return memory_.ring_ref(); }
    [[nodiscard]] hypervisor::EventChannelPort port() const { return port_; }
    [[nodiscard]] abi::ControlPage& page() { return memory_.page(); }
    // The indices of the ring that the peer writes, and of the other one.
    [[nodiscard]] auto& out() { return grants() ? page().right : page().left; }
    [[nodiscard]] auto& in() { return grants() ? page().left : page().right; }
    [[nodiscard]] std::uint8_t& live() { return grants() ? page().srv_live : page().cli_live; }

    void send(const Script& script) {
        const auto source = std::as_bytes(std::span(script.bytes));
        ring::segments(grants() ? memory_.right() : memory_.left(), prod_, source.size())
            .copy_from(source);
        prod_ += static_cast<std::uint32_t>(source.size());
        ring::store_release(out().prod, prod_);
        ring();
    }
    void ring() { hypervisor_.doorbells->notify(port_); }
    // Waits until the victim has read all; false at the deadline.
    bool was_read() {
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        while (ring::load_acquire(out().cons) != prod_) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

  private:
    [[nodiscard]] bool grants() const { return memory_.role() == Role::kServer; }

    hypervisor::Hypervisor hypervisor_;
    hypervisor::EventChannelPort port_;
    channel::ChannelMemory memory_;
    std::uint32_t prod_ = 0;
};

// Domain 0 is the victim; it has a service and a link with itself that must not notice anything.
struct Stage {
    Stage() {
        std::filesystem::create_directories(hostile_dir);
        machine.introduce(3, hostile_dir + "/hypercall");
        service = std::make_unique<Service>(victim.dir + "/target", echo);
        exports = std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
            {"svc", 80, true, {sys::SocketKind::kUnix, victim.dir + "/target", 0}}});
        own = victim.pump->connect_self(16);
        victim.pump->set_exports(own, exports);
        victim.pump->listen(own, {"svc", 0}, sys::SocketKind::kUnix,
                            sys::listen_unix(victim.dir + "/svc", 0600, kSame, kSame));
    }
    // The reason with which the link to a peer that does this, in that role, goes down.
    std::string reason_of(const std::function<void(Hostile&)>& act,
                          link::DownReason expected = link::DownReason::kCorrupt,
                          Role role = Role::kServer) {
        link::LinkId link = 0;
        std::unique_ptr<Hostile> hostile;
        if (role == Role::kServer) {
            hostile = std::make_unique<Hostile>(hostile_dir);
            link = victim.pump->connect(3, hostile->ring_ref(), hostile->port());
        } else {
            const pump::Pump::Offer offer = victim.pump->offer(3, kOrder);
            link = offer.link;
            hostile = std::make_unique<Hostile>(hostile_dir, offer);
        }
        victim.pump->set_exports(link, exports);
        act(*hostile);
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

}  // namespace hostile

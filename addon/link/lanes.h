// State that the lanes of one link share. A link has one lane or several: each is a channel of its
// own with its own streams, run by a pump of its own. The first one, 0, represents the link: it
// carries the lists of services, announces the other lanes, and closes them when it ends.
//
// Any thread, except where a comment names the only one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "abi/frame.h"
#include "link/export_table.h"

namespace xsock::link {

class Lanes {
  public:
    explicit Lanes(unsigned home_pump = 0, unsigned limit = 1) noexcept
        : home(home_pump), max_lanes(limit) {}

    const unsigned home;       // which pump runs the first lane; the others follow it
    const unsigned max_lanes;  // how many lanes there may be, 1..kMaxLanes

    // Registers a lane. False: the link has ended.
    [[nodiscard]] bool join() noexcept {
        std::uint32_t seen = alive_.load();
        do {
            if ((seen & kClosed) != 0) {
                return false;
            }
        } while (!alive_.compare_exchange_weak(seen, seen + 1));
        return true;
    }
    // No lane can join from now on.
    void close() noexcept { alive_.fetch_or(kClosed); }
    // Unregisters a lane. True: it was the last one and no other can join.
    [[nodiscard]] bool leave() noexcept { return alive_.fetch_sub(1) == (kClosed | 1); }
    // The link has ended, but not all of its pages have been released.
    [[nodiscard]] bool leaving() const noexcept { return alive_.load() > kClosed; }
    [[nodiscard]] bool alone() const noexcept { return (alive_.load() & ~kClosed) == 1; }

    // Written by the pump of that lane.
    void set_up(unsigned lane, bool up) noexcept { lanes_[lane].up.store(up); }
    void set_streams(unsigned lane, std::uint32_t outgoing, std::uint32_t incoming) noexcept {
        lanes_[lane].outgoing.store(outgoing, std::memory_order_relaxed);
        lanes_[lane].incoming.store(incoming, std::memory_order_relaxed);
    }
    // Open streams on the other lanes: {opened by us, opened by the peer}.
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> elsewhere(unsigned lane) const noexcept {
        std::pair<std::uint32_t, std::uint32_t> sum{0, 0};
        for (unsigned i = 0; i < max_lanes; ++i) {
            if (i != lane) {
                sum.first += lanes_[i].outgoing.load(std::memory_order_relaxed);
                sum.second += lanes_[i].incoming.load(std::memory_order_relaxed);
            }
        }
        return sum;
    }
    // The lane for a new stream: the first one while it has no streams, since that costs no
    // hand-over between threads, else one with the fewest streams. First lane's pump only.
    [[nodiscard]] unsigned choose() noexcept {
        unsigned best = 0;
        std::uint32_t fewest = streams_of(0);
        for (unsigned i = 1; i < max_lanes && fewest > 0; ++i) {
            const unsigned lane = 1 + (turn_ + i) % (max_lanes - 1);
            if (lanes_[lane].up.load() && streams_of(lane) < fewest) {
                best = lane;
                fewest = streams_of(lane);
            }
        }
        ++turn_;
        if (best > 0) {
            lanes_[best].in_transit.fetch_add(1, std::memory_order_relaxed);
        }
        return best;
    }
    // A stream that choose() assigned to a lane has arrived there. That lane's pump only.
    void arrived(unsigned lane) noexcept {
        lanes_[lane].in_transit.fetch_sub(1, std::memory_order_relaxed);
    }

    // The services that the peer may open, on any lane.
    void set_exports(std::shared_ptr<const ExportTable> exports) {
        const std::lock_guard lock(mutex_);
        exports_ = std::move(exports);
    }
    [[nodiscard]] std::shared_ptr<const ExportTable> exports() const {
        const std::lock_guard lock(mutex_);
        return exports_;
    }

    // The peer's instance in its HELLO on the first lane. Written by that lane's pump before any
    // other lane is created.
    std::array<std::uint8_t, 16> peer_instance{};

  private:
    struct Lane {
        std::atomic<bool> up{false};
        std::atomic<std::uint32_t> outgoing{0};
        std::atomic<std::uint32_t> incoming{0};
        std::atomic<std::uint32_t> in_transit{0};  // from the first lane's pump
    };
    static constexpr std::uint32_t kClosed = 1U << 31;

    [[nodiscard]] std::uint32_t streams_of(unsigned lane) const noexcept {
        return lanes_[lane].outgoing.load(std::memory_order_relaxed) +
               lanes_[lane].incoming.load(std::memory_order_relaxed) +
               lanes_[lane].in_transit.load(std::memory_order_relaxed);
    }

    std::atomic<std::uint32_t> alive_{0};
    std::array<Lane, abi::kMaxLanes> lanes_;
    unsigned turn_ = 0;  // first lane's pump only
    mutable std::mutex mutex_;
    std::shared_ptr<const ExportTable> exports_ = std::make_shared<const ExportTable>();
};

// Identifies a lane: the state shared by its link's lanes, and its number.
struct LaneRef {
    std::shared_ptr<Lanes> lanes = std::make_shared<Lanes>();
    unsigned number = 0;
};

}  // namespace xsock::link

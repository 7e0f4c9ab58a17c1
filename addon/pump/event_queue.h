// Events from the pumps to the control plane, in batches: one queue for all pumps, so that the
// events of a link keep their order whichever pump reports them. A pump never waits: beyond a
// bound, in total and per link, events of streams are dropped and counted; those of links never are
// (there are few, and they matter). A peer may send lists of services without end: only the last
// one of a link is kept. Events of streams are for the log and wait to be batched: a wake-up of the
// control plane costs more than a short connection. Any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pump/events.h"
#include "sys/clock.h"

namespace xsock::pump {

class EventQueue {
  public:
    static constexpr std::size_t kBound = 65536;
    static constexpr std::size_t kBoundPerLink = 8192;

    // How long an event of a stream waits at most, and how many wait together.
    static constexpr sys::Duration kMaxBatchDelay = std::chrono::milliseconds(20);
    static constexpr std::size_t kMaxBatchSize = 1024;

    // `wake` is called when there are events to take, on the thread that pushed or flushed; it must
    // not block.
    explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

    void push(Event event, sys::TimePoint now) {
        bool urgent = false;
        {
            const std::lock_guard lock(mutex_);
            const bool of_stream = is_stream_event(event);
            if (of_stream && !has_room(event)) {
                ++dropped_;
                return;
            }
            if (const auto* services = std::get_if<link::Services>(&event)) {
                const auto [known, added] = services_.try_emplace(services->link, events_.size());
                if (!added) {
                    events_[known->second] = std::move(event);
                    return;
                }
            }
            const bool waits = of_stream && events_.size() < kMaxBatchSize;
            if (waits && !awaited_ && deadline() == sys::kNever) {
                wake_at_ = now + kMaxBatchDelay;
            }
            urgent = !waits && !awaited_;
            awaited_ = awaited_ || urgent;
            if (urgent) {
                wake_at_ = sys::kNever;
            }
            events_.push_back(std::move(event));
        }
        if (urgent) {
            wake_();
        }
    }
    // When flush() has something to do. The pump that pushed sleeps no longer than that.
    [[nodiscard]] sys::TimePoint deadline() const noexcept { return wake_at_; }
    void flush(sys::TimePoint now) {
        if (now < deadline()) {
            return;
        }
        {
            const std::lock_guard lock(mutex_);
            if (now < deadline()) {
                return;  // another pump was faster
            }
            wake_at_ = sys::kNever;
            awaited_ = true;
        }
        wake_();
    }
    std::vector<Event> take() {
        const std::lock_guard lock(mutex_);
        std::vector<Event> taken = std::exchange(events_, {});
        services_.clear();
        of_link_.clear();
        awaited_ = false;
        if (dropped_ > 0) {
            taken.push_back(EventsDropped{std::exchange(dropped_, 0)});
        }
        return taken;
    }

  private:
    static bool is_stream_event(const Event& event) noexcept {
        return std::holds_alternative<link::StreamOpened>(event) ||
               std::holds_alternative<link::StreamRefused>(event) ||
               std::holds_alternative<link::StreamClosed>(event) ||
               std::holds_alternative<ListenerError>(event);
    }
    // The bound per link keeps one peer's streams from crowding out the events of others.
    bool has_room(const Event& event) {
        return events_.size() < kBound && ++of_link_[link_of(event)] <= kBoundPerLink;
    }

    std::function<void()> wake_;
    std::mutex mutex_;
    std::vector<Event> events_;
    std::unordered_map<link::LinkId, std::size_t> services_;  // index of a link's list in events_
    std::unordered_map<link::LinkId, std::size_t> of_link_;   // streams' events since the last take
    std::uint64_t dropped_ = 0;
    bool awaited_ = false;  // wake_ was called, and take() was not since
    // Written with the mutex held, read without.
    std::atomic<sys::TimePoint> wake_at_{sys::kNever};
};

}  // namespace xsock::pump

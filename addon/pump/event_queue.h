// Events on their way from the pump thread to the control plane, in batches. The pump never waits:
// past the bound, events of streams are dropped and counted; those of links never are (there are
// few, and they matter). A peer may send lists of services without end: only the last one of a link
// waits. What streams do is for the log, and can wait for company: a wake-up of the control plane
// costs more than a short connection. push(), flush(), deadline(): pump thread. take(): any thread.
#pragma once

#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "link/events.h"
#include "sys/clock.h"

namespace xsock::pump {

class EventQueue {
  public:
    static constexpr std::size_t kBound = 65536;

    // How long an event of a stream waits, at most, and how many wait together.
    static constexpr sys::Duration kPatience = std::chrono::milliseconds(20);
    static constexpr std::size_t kCompany = 1024;

    // `wake` is called on the pump thread when there are events to take; it must not block.
    explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

    void push(link::Event event, sys::TimePoint now) {
        bool urgent = false;
        {
            const std::lock_guard lock(mutex_);
            if (events_.size() >= kBound && is_stream_event(event)) {
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
            const bool waits = is_stream_event(event) && events_.size() < kCompany;
            if (waits && !awaited_ && wake_at_ == sys::kNever) {
                wake_at_ = now + kPatience;
            }
            urgent = !waits && !awaited_;
            awaited_ = awaited_ || urgent;
            events_.push_back(std::move(event));
        }
        if (urgent) {
            wake_at_ = sys::kNever;
            wake_();
        }
    }
    // When flush() has something to do.
    [[nodiscard]] sys::TimePoint deadline() const noexcept { return wake_at_; }
    void flush(sys::TimePoint now) {
        if (now < wake_at_) {
            return;
        }
        wake_at_ = sys::kNever;
        {
            const std::lock_guard lock(mutex_);
            awaited_ = true;
        }
        wake_();
    }
    std::vector<link::Event> take() {
        const std::lock_guard lock(mutex_);
        std::vector<link::Event> taken = std::exchange(events_, {});
        services_.clear();
        awaited_ = false;
        if (dropped_ > 0) {
            taken.push_back(link::EventsDropped{std::exchange(dropped_, 0)});
        }
        return taken;
    }

  private:
    static bool is_stream_event(const link::Event& event) noexcept {
        return std::holds_alternative<link::StreamOpened>(event) ||
               std::holds_alternative<link::StreamRefused>(event) ||
               std::holds_alternative<link::StreamClosed>(event) ||
               std::holds_alternative<link::ListenerError>(event);
    }

    std::function<void()> wake_;
    std::mutex mutex_;
    std::vector<link::Event> events_;
    std::unordered_map<link::LinkId, std::size_t> services_;  // where a link's list is in events_
    std::uint64_t dropped_ = 0;
    bool awaited_ = false;                  // woken, and not taken since
    sys::TimePoint wake_at_ = sys::kNever;  // pump thread only
};

}  // namespace xsock::pump

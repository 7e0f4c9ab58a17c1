// A domain of a loopback machine with its pumps, and what they have reported.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "hypervisor_handles.h"
#include "pump/pumps.h"
#include "tap.h"

namespace xsock {

class Domain {
  public:
    // `longest_poll` of the pumps: long for few sleeps, 0 for deterministic work.
    Domain(hypervisor::loopback::Machine& machine, const std::string& root, std::uint32_t domid,
           sys::Duration longest_poll = link::Timings{}.longest_poll, unsigned pumps = 1)
        : Domain(introduced(machine, root, domid), domid, longest_poll, pumps) {}
    // A domain of a machine in another process, which has introduced it already.
    Domain(const std::string& root, std::uint32_t domid,
           sys::Duration longest_poll = link::Timings{}.longest_poll, unsigned pumps = 1)
        : dir(root + "/" + std::to_string(domid)) {
        pump::PumpOptions options;
        options.domid = domid;
        options.timings.longest_poll = longest_poll;
        pump = std::make_unique<pump::Pumps>(
            hypervisor_handles(pumps,
                               [this] { return hypervisor::loopback::connect_loopback(dir); }),
            options, [this] { collect(); });
    }
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;
    // Before the members that the threads report into are destroyed.
    ~Domain() { pump->stop(); }

    // Waits until a pump has reported `Event` for `link`.
    template <typename Event>
    bool wait_for(link::LinkId link) {
        return find<Event>(link) != nullptr;
    }
    // The same; null at the deadline.
    template <typename Event>
    std::unique_ptr<Event> find(link::LinkId link) {
        std::unique_lock lock(mutex_);
        std::unique_ptr<Event> result;
        condition_.wait_for(lock, tap::kDeadline, [&] {
            for (const pump::Event& event : events_) {
                const Event* found = std::get_if<Event>(&event);
                if (found != nullptr && found->link == link) {
                    result = std::make_unique<Event>(*found);
                    return true;
                }
            }
            return false;
        });
        return result;
    }

    // Whether a pump has reported `Event` for `link` so far.
    template <typename Event>
    bool has(link::LinkId link) {
        const std::lock_guard lock(mutex_);
        return std::any_of(events_.begin(), events_.end(), [&](const pump::Event& event) {
            const Event* found = std::get_if<Event>(&event);
            return found != nullptr && found->link == link;
        });
    }

    std::string dir;
    std::unique_ptr<pump::Pumps> pump;

  private:
    static const std::string& introduced(hypervisor::loopback::Machine& machine,
                                         const std::string& root, std::uint32_t domid) {
        const std::string dir = root + "/" + std::to_string(domid);
        std::filesystem::create_directories(dir);
        machine.introduce(static_cast<hypervisor::DomId>(domid), dir + "/hypercall");
        return root;
    }
    void collect() {
        const std::lock_guard lock(mutex_);
        for (pump::Event& event : pump->take_events()) {
            events_.push_back(std::move(event));
        }
        condition_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable condition_;
    std::vector<pump::Event> events_;
};

}  // namespace xsock

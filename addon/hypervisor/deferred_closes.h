// Ports that are unused, but stay bound until a check names them: see Doorbells::close(). Any
// thread.
#pragma once

#include <algorithm>
#include <iterator>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "hypervisor/hypervisor.h"

namespace xsock::hypervisor {

class DeferredCloses {
  public:
    void add(EventChannelPort port) {
        const std::lock_guard lock(mutex_);
        fresh_.push_back(port);
    }
    // Those added since the last call: a check that begins now may name them.
    std::vector<EventChannelPort> take() {
        const std::lock_guard lock(mutex_);
        taken_.insert(taken_.end(), fresh_.begin(), fresh_.end());
        return std::exchange(fresh_, {});
    }
    // Forgets those of `named` that were taken, and returns them to be closed. A port that is not
    // closed yet cannot be opened again: its number means one port only.
    std::vector<EventChannelPort> remove(std::span<const EventChannelPort> named) {
        const std::lock_guard lock(mutex_);
        const auto kept =
            std::stable_partition(taken_.begin(), taken_.end(), [&](EventChannelPort port) {
                return std::find(named.begin(), named.end(), port) == named.end();
            });
        std::vector<EventChannelPort> result(kept, taken_.end());
        taken_.erase(kept, taken_.end());
        return result;
    }

  private:
    std::mutex mutex_;
    std::vector<EventChannelPort> fresh_;
    std::vector<EventChannelPort> taken_;
};

}  // namespace xsock::hypervisor

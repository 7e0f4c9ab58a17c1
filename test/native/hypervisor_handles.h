// The hypervisor handles of several pumps, for tests: all of the same domain.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "hypervisor/self/self.h"
#include "pump/pumps.h"

namespace xsock {

inline std::vector<pump::HypervisorHandles> hypervisor_handles(
    unsigned pumps, const std::function<hypervisor::Hypervisor()>& connect) {
    std::vector<pump::HypervisorHandles> result;
    for (unsigned i = 0; i < pumps; ++i) {
        result.push_back({.hypervisor = connect(), .self = hypervisor::make_self_hypervisor()});
    }
    return result;
}

}  // namespace xsock

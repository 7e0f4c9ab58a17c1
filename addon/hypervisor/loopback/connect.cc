#include "hypervisor/loopback/connect.h"

#include <memory>

#include "hypervisor/loopback/doorbells.h"
#include "hypervisor/loopback/hypercall.h"
#include "hypervisor/loopback/memory.h"

namespace xsock::hypervisor::loopback {

Hypervisor connect_loopback(const std::string& domain_dir) {
    const std::string socket_path = domain_dir + "/hypercall";
    const auto for_memory = std::make_shared<Hypercall>(socket_path);
    return {.memory = make_memory(for_memory),
            .doorbells = make_doorbells(std::make_shared<Hypercall>(socket_path), for_memory)};
}

}  // namespace xsock::hypervisor::loopback

#include "hypervisor/loopback/connect.h"

#include "hypervisor/loopback/doorbells.h"
#include "hypervisor/loopback/memory.h"

namespace xsock::hypervisor::loopback {

Hypervisor connect_loopback(const std::string& domain_dir) {
    const std::string socket_path = domain_dir + "/hypercall";
    return {connect_memory(socket_path), connect_doorbells(socket_path)};
}

}  // namespace xsock::hypervisor::loopback

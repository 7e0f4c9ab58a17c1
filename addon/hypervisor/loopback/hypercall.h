// A process' end of one hypercall connection: asks, waits, answers. Any thread, one call at a time
// (a mutex sees to it).
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "hypervisor/loopback/protocol.h"
#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

struct Answer {
    std::uint32_t value = 0;
    std::uint32_t count = 0;
    std::vector<std::uint32_t> words;
    std::vector<sys::UniqueFd> fds;
};

class Hypercall {
  public:
    // Throws std::system_error if nobody answers at `socket_path`.
    explicit Hypercall(const std::string& socket_path);

    // Throws std::system_error with the errno of the machine; ENODEV when the machine is gone,
    // ETIMEDOUT when it has not answered for ten seconds (the connection is then unusable).
    Answer call(const Request& request, const char* name, std::span<const std::uint32_t> refs = {});
    // Readable or hung up when the machine is gone.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  private:
    std::mutex mutex_;
    sys::UniqueFd socket_;
    bool broken_ = false;
};

}  // namespace xsock::hypervisor::loopback

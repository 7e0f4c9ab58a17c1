// A process's end of one hypercall connection: request and reply. Any thread; a mutex serializes
// the calls.
//
// If the machine does not answer in time (its process is stopped, say) that call fails, and further
// calls fail at once until its answers have come; what a late answer grants is released. The
// machine only counts as gone when the connection is lost: the socket then shows a hang-up.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hypervisor/loopback/packet.h"
#include "hypervisor/loopback/protocol.h"
#include "sys/clock.h"
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
    static constexpr sys::Duration kPatience = std::chrono::seconds(10);

    // Throws std::system_error if nobody answers at `socket_path`.
    explicit Hypercall(const std::string& socket_path, sys::Duration patience = kPatience);

    // Throws std::system_error with the errno of the machine; ENODEV when the machine is gone,
    // ETIMEDOUT when it does not answer, EMFILE when this process has no room for the descriptors
    // of the answer.
    Answer call(const Request& request, const char* name, std::span<const std::uint32_t> refs = {});
    // Releases something; waits for the answer, unless the machine owes earlier ones.
    void release(const Request& request) noexcept;
    // Hung up when the machine is gone.
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  private:
    bool send(std::span<const std::byte> data, Operation operation);
    void send_unsent();
    std::optional<Packet> receive(sys::TimePoint until);
    bool catch_up(sys::TimePoint until);
    void give_back(Operation operation, const Response& response);
    void lose() noexcept;

    std::mutex mutex_;
    sys::UniqueFd socket_;
    const sys::Duration patience_;
    std::deque<Operation> owed_;  // outstanding answers, in order, that no caller waits for
    std::deque<Request> unsent_;  // releases; at most one for each thing that this process holds
    std::vector<std::byte> buffer_{kMaxResponse};
    bool silent_ = false;  // has not answered in time, and still owes it
    bool lost_ = false;
};

}  // namespace xsock::hypervisor::loopback

// Two domains of a loopback machine with their relays, and programs at both ends, for the tests of
// raw vchan streams.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <random>
#include <thread>

#include "abi/control_page.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"
#include "vchan/relays.h"

namespace vchans {

using namespace xsock;
using hypervisor::DomId;
using vchan::End;

constexpr std::uint32_t kSame = static_cast<std::uint32_t>(-1);

// One domain's relays, and what they report.
class Side {
  public:
    Side(hypervisor::loopback::Machine& machine, const std::string& root, DomId domid)
        : dir(root + "/" + std::to_string(domid)) {
        std::filesystem::create_directories(dir);
        machine.introduce(domid, dir + "/hypercall");
        relays = std::make_unique<vchan::Relays>(hypervisor::loopback::connect_loopback(dir),
                                                 [this] { collect(); });
    }
    ~Side() { relays->stop(); }

    // Takes the first event of that kind; waits for it until the deadline.
    template <typename Event>
    Event take() {
        std::unique_lock lock(mutex_);
        Event result{};
        const bool there = condition_.wait_for(lock, tap::kDeadline, [&] {
            for (auto it = events_.begin(); it != events_.end(); ++it) {
                if (const Event* event = std::get_if<Event>(&*it)) {
                    result = *event;
                    events_.erase(it);
                    return true;
                }
            }
            return false;
        });
        CHECK(there);
        return result;
    }

    template <typename Event>
    bool has() {
        const std::lock_guard lock(mutex_);
        return std::ranges::any_of(events_, [](const vchan::Event& event) {
            return std::holds_alternative<Event>(event);
        });
    }

    std::string dir;
    std::unique_ptr<vchan::Relays> relays;

  private:
    void collect() {
        const std::lock_guard lock(mutex_);
        for (vchan::Event& event : relays->take_events()) {
            events_.push_back(std::move(event));
        }
        condition_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable condition_;
    std::vector<vchan::Event> events_;
};

constexpr DomId kServer = 5;
constexpr DomId kClient = 3;

struct Pair {
    TempDir temp;
    hypervisor::loopback::Machine machine{hypervisor::loopback::MachineLimits{}};
    Side server{machine, temp.path, kServer};
    Side client{machine, temp.path, kClient};
    const std::string target = temp.path + "/target";
    const std::string path = temp.path + "/listener";
    sys::UniqueFd target_listener = sys::listen_unix(target, 0600, kSame, kSame);
    vchan::ListenerId listener = client.relays->listen(sys::listen_unix(path, 0600, kSame, kSame));

    // As the control plane does: offers, and connects the pending program to the offer.
    vchan::Relays::Offer offer(std::uint16_t order = 12) {
        return server.relays->serve(kClient, order, {sys::SocketKind::kUnix, target, 0});
    }
    void lead(const vchan::Relays::Offer& to) {
        CHECK(client.take<vchan::ConnectionPending>().listener == listener);
        client.relays->connect(listener, kServer, to.ring_ref, to.port);
    }
};

inline sys::UniqueFd dial(const std::string& path) {
    sys::ConnectResult result =
        sys::connect({.kind = sys::SocketKind::kUnix, .host_or_path = path});
    CHECK(result.outcome == sys::Connect::kDone);
    return std::move(result.fd);
}

inline bool readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, tap::kDeadlineMs) == 1;
}

inline sys::UniqueFd accepted(int listener) {
    CHECK(readable(listener));
    int error = 0;
    return sys::accept(listener, error);
}

inline void write_all(int fd, const std::string& data) {
    for (std::size_t done = 0; done < data.size();) {
        pollfd waiting{fd, POLLOUT, 0};
        CHECK(::poll(&waiting, 1, tap::kDeadlineMs) == 1);
        const ssize_t count = ::send(fd, data.data() + done, data.size() - done, MSG_NOSIGNAL);
        CHECK(count > 0 || errno == EAGAIN);
        if (count < 0 && errno != EAGAIN) {
            return;
        }
        done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
}

// Up to `length` bytes, or to the end-of-file.
inline std::string read_some(int fd, std::size_t length) {
    std::string result;
    std::array<char, 65536> buffer;
    while (result.size() < length && readable(fd)) {
        const ssize_t count =
            ::recv(fd, buffer.data(), std::min(buffer.size(), length - result.size()), 0);
        if (count <= 0) {
            break;
        }
        result.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return result;
}

inline bool at_end(int fd) {
    char byte;
    return readable(fd) && ::recv(fd, &byte, 1, 0) == 0;
}

inline std::string noise(std::size_t length) {
    std::mt19937 random(7);
    std::string result(length, '\0');
    for (char& c : result) {
        c = static_cast<char>(random());
    }
    return result;
}

}  // namespace vchans

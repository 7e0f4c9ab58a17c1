#include "hypervisor/loopback/hypercall.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

Response response_of(std::span<const std::byte> packet) noexcept {
    Response response;
    std::memcpy(&response, packet.data(), sizeof response);
    return response;
}

}  // namespace

Hypercall::Hypercall(const std::string& socket_path, sys::Duration patience) : patience_(patience) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) {
        sys::throw_errno(("connect " + socket_path).c_str(), ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    socket_.reset(sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
    sys::check(
        ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        ("connect " + socket_path).c_str());
}

Answer Hypercall::call(const Request& request, const char* name,
                       std::span<const std::uint32_t> refs) {
    const std::lock_guard lock(mutex_);
    if (silent_ && catch_up(sys::TimePoint::min())) {
        silent_ = false;
    }
    if (silent_ && !lost_) {
        sys::throw_errno(name, ETIMEDOUT);
    }
    std::vector<std::byte> data(sizeof request + refs.size_bytes());
    std::memcpy(data.data(), &request, sizeof request);
    if (!refs.empty()) {
        std::memcpy(data.data() + sizeof request, refs.data(), refs.size_bytes());
    }
    const auto operation = static_cast<Operation>(request.operation);
    send_unsent();
    const bool sent = !lost_ && send(data, operation);
    if (lost_) {
        sys::throw_errno(name, ENODEV);
    }
    if (!sent) {
        sys::throw_errno(name, ETIMEDOUT);
    }
    // Answers come in the order of the requests: first the outstanding ones.
    const sys::TimePoint until = sys::Clock::now() + patience_;
    std::optional<Packet> packet = receive(until);
    for (std::size_t ahead = owed_.size() - 1; packet && ahead > 0; --ahead) {
        const Operation answered = owed_.front();
        owed_.pop_front();
        give_back(answered, response_of(buffer_));
        packet = receive(until);
    }
    if (lost_) {
        sys::throw_errno(name, ENODEV);
    }
    if (!packet) {
        silent_ = true;
        sys::throw_errno(name, ETIMEDOUT);
    }
    owed_.pop_front();
    const Response response = response_of(buffer_);
    if (response.error != 0) {
        sys::throw_errno(name, static_cast<int>(response.error));
    }
    if (packet->error != 0) {
        give_back(operation, response);
        sys::throw_errno(name, packet->error);
    }
    Answer answer{response.value, response.count, {}, std::move(packet->fds)};
    answer.words.resize((packet->length - sizeof response) / sizeof(std::uint32_t));
    if (!answer.words.empty()) {
        std::memcpy(answer.words.data(), buffer_.data() + sizeof response,
                    answer.words.size() * sizeof(std::uint32_t));
    }
    return answer;
}

void Hypercall::release(const Request& request) noexcept {
    const std::lock_guard lock(mutex_);
    if (lost_) {
        return;  // the machine is gone, and with it all that it held for us
    }
    unsent_.push_back(request);
    send_unsent();
    silent_ = !catch_up(silent_ ? sys::TimePoint::min() : sys::Clock::now() + patience_);
}

// False: the socket is full, since the machine does not read; or it is gone.
bool Hypercall::send(std::span<const std::byte> data, Operation operation) {
    const int error = send_packet(socket_.get(), data, {}, MSG_DONTWAIT);
    if (error == 0) {
        owed_.push_back(operation);
    } else if (error != EAGAIN) {
        lose();
    }
    return error == 0;
}

void Hypercall::send_unsent() {
    while (!unsent_.empty() && send(std::as_bytes(std::span(&unsent_.front(), 1)),
                                    static_cast<Operation>(unsent_.front().operation))) {
        unsent_.pop_front();
    }
}

// The next answer, its bytes in buffer_; none if it has not come by `until`.
std::optional<Packet> Hypercall::receive(sys::TimePoint until) {
    for (;;) {
        Packet packet = receive_packet(socket_.get(), buffer_, kMaxRuns, MSG_DONTWAIT);
        if (packet.error == EAGAIN) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                std::max(until, sys::Clock::now()) - sys::Clock::now());
            pollfd waiting{socket_.get(), POLLIN, 0};
            if (left.count() <= 0 || (::poll(&waiting, 1, static_cast<int>(left.count())) == 0)) {
                return std::nullopt;
            }
            continue;
        }
        const bool whole = packet.error == 0 || packet.error == EMFILE;
        if (!whole || packet.length < sizeof(Response)) {
            lose();
            return std::nullopt;
        }
        return packet;
    }
}

// Receives outstanding answers. True: none is outstanding any more.
bool Hypercall::catch_up(sys::TimePoint until) {
    while (!lost_ && !owed_.empty() && receive(until)) {
        const Operation answered = owed_.front();
        owed_.pop_front();
        give_back(answered, response_of(buffer_));
        send_unsent();
    }
    return owed_.empty() && unsent_.empty();
}

// The caller has given up: releases what this answer granted.
void Hypercall::give_back(Operation operation, const Response& response) {
    Request release;
    switch (operation) {
        case Operation::kShare:
            release.operation = static_cast<std::uint32_t>(Operation::kUnshare);
            release.handle = response.value;
            break;
        case Operation::kMap:
            release.operation = static_cast<std::uint32_t>(Operation::kUnmap);
            release.handle = response.value;
            break;
        case Operation::kAllocateUnbound:
        case Operation::kBindInterdomain:
            release.operation = static_cast<std::uint32_t>(Operation::kClosePort);
            release.port = response.value;
            break;
        case Operation::kUnshare:
        case Operation::kUnmap:
        case Operation::kClosePort:
        case Operation::kFreePages:
            return;
    }
    if (response.error == 0) {
        unsent_.push_back(release);
        send_unsent();
    }
}

// Shuts the connection down, so that the socket shows a hang-up to whoever watches it.
void Hypercall::lose() noexcept {
    lost_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace xsock::hypervisor::loopback

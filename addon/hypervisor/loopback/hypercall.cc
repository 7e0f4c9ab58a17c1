#include "hypervisor/loopback/hypercall.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "hypervisor/loopback/packet.h"
#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

constexpr timeval kPatience{10, 0};

}  // namespace

Hypercall::Hypercall(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) {
        sys::throw_errno(("connect " + socket_path).c_str(), ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    socket_.reset(sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
    sys::check(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience),
               "setsockopt");
    sys::check(::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience),
               "setsockopt");
    sys::check(
        ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        ("connect " + socket_path).c_str());
}

Answer Hypercall::call(const Request& request, const char* name,
                       std::span<const std::uint32_t> refs) {
    const std::lock_guard lock(mutex_);
    if (broken_) {
        sys::throw_errno(name, ENODEV);
    }
    std::vector<std::byte> data(sizeof request + refs.size_bytes());
    std::memcpy(data.data(), &request, sizeof request);
    if (!refs.empty()) {
        std::memcpy(data.data() + sizeof request, refs.data(), refs.size_bytes());
    }
    broken_ = true;  // until the answer is here, whole
    if (send_packet(socket_.get(), data, {}, 0) != 0) {
        sys::throw_errno(name, ENODEV);
    }
    std::array<std::byte, kMaxResponse> buffer;
    Packet packet = receive_packet(socket_.get(), buffer, kMaxRuns, 0);
    if (packet.error == EAGAIN) {
        sys::throw_errno(name, ETIMEDOUT);
    }
    Response response;
    if (packet.error != 0 || packet.length < sizeof response) {
        sys::throw_errno(name, ENODEV);
    }
    broken_ = false;
    std::memcpy(&response, buffer.data(), sizeof response);
    if (response.error != 0) {
        sys::throw_errno(name, static_cast<int>(response.error));
    }
    Answer answer{response.value, response.count, {}, std::move(packet.fds)};
    answer.words.resize((packet.length - sizeof response) / sizeof(std::uint32_t));
    if (!answer.words.empty()) {
        std::memcpy(answer.words.data(), buffer.data() + sizeof response,
                    answer.words.size() * sizeof(std::uint32_t));
    }
    return answer;
}

}  // namespace xsock::hypervisor::loopback

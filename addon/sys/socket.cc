#include "sys/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sys/error.h"

namespace xsock::sys {

namespace {

constexpr int kBacklog = 4096;  // the kernel clamps it to net.core.somaxconn

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

bool unix_address(const std::string& path, SocketAddress& address) noexcept {
    auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (path.empty() || path.size() >= sizeof un->sun_path) {
        return false;
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return true;
}

bool tcp_address(const std::string& host, std::uint16_t port, SocketAddress& address) noexcept {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.length = sizeof *v4;
        return true;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address.length = sizeof *v6;
        return true;
    }
    return false;
}

void disable_nagle(int fd) noexcept {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

msghdr message_of(std::span<iovec> parts) noexcept {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    return message;
}

TransferResult receive_message(int fd, std::span<iovec> parts, int flags) noexcept {
    msghdr message = message_of(parts);
    ssize_t count;
    do {
        count = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
    } while (count < 0 && errno == EINTR);
    if (count >= 0 && (message.msg_flags & MSG_CTRUNC) != 0) {
        return {.outcome = Transfer::kFdPassing};
    }
    if (count > 0) {
        return {.outcome = Transfer::kBytes, .bytes = static_cast<std::size_t>(count)};
    }
    if (count == 0) {
        return {.outcome = Transfer::kEndOfFile};
    }
    return {.outcome = errno == EAGAIN ? Transfer::kWouldBlock : Transfer::kBroken, .error = errno};
}

}  // namespace

TransferResult receive(int fd, std::span<iovec> parts) noexcept {
    return receive_message(fd, parts, 0);
}

TransferResult peek(int fd, std::span<iovec> parts) noexcept {
    return receive_message(fd, parts, MSG_PEEK);
}

TransferResult discard(int fd, std::size_t max_bytes) noexcept {
    std::array<std::byte, std::size_t{64} * 1024> scratch;
    ssize_t count;
    do {
        // MSG_TRUNC: TCP does not even copy them.
        count = ::recv(fd, scratch.data(), std::min(max_bytes, scratch.size()),
                       MSG_DONTWAIT | MSG_TRUNC);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        return {.outcome = Transfer::kBytes, .bytes = static_cast<std::size_t>(count)};
    }
    if (count == 0) {
        return {.outcome = Transfer::kEndOfFile};
    }
    return {.outcome = errno == EAGAIN ? Transfer::kWouldBlock : Transfer::kBroken, .error = errno};
}

TransferResult send(int fd, std::span<iovec> parts) noexcept {
    msghdr message = message_of(parts);
    ssize_t count;
    do {
        count = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        return {.outcome = Transfer::kBytes, .bytes = static_cast<std::size_t>(count)};
    }
    return {.outcome = errno == EAGAIN ? Transfer::kWouldBlock : Transfer::kBroken, .error = errno};
}

std::string Address::text() const {
    if (kind == SocketKind::kUnix) {
        return "unix:" + host_or_path;
    }
    const bool v6 = host_or_path.find(':') != std::string::npos;
    return "tcp:" + (v6 ? "[" + host_or_path + "]" : host_or_path) + ":" + std::to_string(port);
}

ConnectResult connect(const Address& target) noexcept {
    SocketAddress address;
    const bool valid = target.kind == SocketKind::kTcp
                           ? tcp_address(target.host_or_path, target.port, address)
                           : unix_address(target.host_or_path, address);
    if (!valid) {
        return {.outcome = Connect::kFailed, .fd = UniqueFd(), .error = EINVAL};
    }
    UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
        return {.outcome = Connect::kFailed, .fd = UniqueFd(), .error = errno};
    }
    if (target.kind == SocketKind::kTcp) {
        disable_nagle(fd.get());
    }
    int result;
    do {
        result = ::connect(fd.get(), address.get(), address.length);
    } while (result < 0 && errno == EINTR);
    if (result == 0) {
        return {.outcome = Connect::kDone, .fd = std::move(fd)};
    }
    if (errno == EINPROGRESS) {
        return {.outcome = Connect::kPending, .fd = std::move(fd)};
    }
    return {.outcome = errno == EAGAIN ? Connect::kBusy : Connect::kFailed,
            .fd = UniqueFd(),
            .error = errno};
}

int connect_result(int fd) noexcept {
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

UniqueFd accept(int listener, int& error) noexcept {
    int fd;
    do {
        fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    error = fd < 0 ? errno : 0;
    return UniqueFd(fd);
}

UniqueFd listen_unix(const std::string& path, std::uint32_t mode, std::uint32_t uid,
                     std::uint32_t gid) {
    // The name is as long as `~` and a few digits: well below what a service name may take.
    static std::atomic<std::uint32_t> counter{0};
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    const std::string temporary = directory + "~" + std::to_string(counter.fetch_add(1));
    SocketAddress address;
    SocketAddress final_address;
    if (!unix_address(path, final_address) || !unix_address(temporary, address)) {
        throw_errno("bind", ENAMETOOLONG);
    }
    UniqueFd fd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    ::unlink(temporary.c_str());
    // Nobody may connect before the rights are as asked: bind() takes them from the socket's own
    // mode.
    check(::fchmod(fd.get(), 0), "fchmod");
    check(::bind(fd.get(), address.get(), address.length), "bind");
    try {
        if (uid != static_cast<std::uint32_t>(-1) || gid != static_cast<std::uint32_t>(-1)) {
            check(::lchown(temporary.c_str(), uid, gid), "chown");
        }
        check(::chmod(temporary.c_str(), mode), "chmod");
        check(::listen(fd.get(), kBacklog), "listen");
        check(::rename(temporary.c_str(), path.c_str()), "rename");
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    return fd;
}

UniqueFd listen_tcp(const std::string& host, std::uint16_t port) {
    SocketAddress address;
    if (!tcp_address(host, port, address)) {
        throw_errno("bind", EINVAL);
    }
    UniqueFd fd(
        check(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
              "socket"));
    const int on = 1;
    check(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    disable_nagle(fd.get());  // inherited by the accepted sockets
    check(::bind(fd.get(), address.get(), address.length), "bind");
    check(::listen(fd.get(), kBacklog), "listen");
    return fd;
}

std::int32_t program_of(int fd) noexcept {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 ? credentials.pid
                                                                                 : 0;
}

void enlarge_send_buffer(int fd, int bytes) noexcept {
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0) {
        ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
}

void reset_on_close(int fd) noexcept {
    const linger abort{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

}  // namespace xsock::sys

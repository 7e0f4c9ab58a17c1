// Non-blocking stream sockets (UNIX and TCP): transfer, connect, accept, listen. receive/send never
// throw: a socket that fails is an outcome, not an exception.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sys/unique_fd.h"

namespace xsock::sys {

enum class Transfer : std::uint8_t {
    kBytes,  // `bytes` > 0 were moved
    kWouldBlock,
    kEndOfFile,  // receive only
    kBroken,     // ECONNRESET, EPIPE, ...: the other end is gone in this direction
    kFdPassing,  // receive only: file descriptors came along; the kernel has dropped them
};

struct TransferResult {
    Transfer outcome;
    std::size_t bytes = 0;
    int error = 0;
};

// recvmsg into `parts`. There is no buffer for control messages, so passed descriptors never enter
// our table: the kernel closes them and sets MSG_CTRUNC.
TransferResult receive(int fd, std::span<iovec> parts) noexcept;
// The same, but the bytes stay in the socket.
TransferResult peek(int fd, std::span<iovec> parts) noexcept;
// Reads and discards up to `max_bytes` bytes, at most 64 KiB.
TransferResult discard(int fd, std::size_t max_bytes) noexcept;
// sendmsg from `parts`, without SIGPIPE.
TransferResult send(int fd, std::span<iovec> parts) noexcept;

enum class SocketKind : std::uint8_t { kUnix, kTcp };

// Where a connection leads: UNIX socket path, or IPv4/IPv6 literal and port.
struct Address {
    SocketKind kind = SocketKind::kUnix;
    std::string host_or_path;
    std::uint16_t port = 0;
    // For messages: "unix:/path", "tcp:127.0.0.1:80", "tcp:[::1]:80".
    [[nodiscard]] std::string text() const;
};

enum class Connect : std::uint8_t {
    kDone,
    kPending,  // TCP: becomes writable when decided; connect_result() tells the outcome
    kBusy,     // UNIX: the listener's backlog is full; try again later
    kFailed,
};

struct ConnectResult {
    Connect outcome;
    UniqueFd fd;    // valid for kDone and kPending
    int error = 0;  // errno for kFailed
};

ConnectResult connect(const Address& address) noexcept;
// 0, or the errno with which a pending connect failed.
int connect_result(int fd) noexcept;

// Accepts one connection: its non-blocking socket, or an invalid one with `error` set (EAGAIN: none
// left).
UniqueFd accept(int listener, int& error) noexcept;

// Binds a listening UNIX socket at `path` with this mode and owner: created under a temporary name
// in the same directory, then renamed, so that it never appears half set up. uid or gid -1:
// unchanged. Throws std::system_error.
UniqueFd listen_unix(const std::string& path, std::uint32_t mode, std::uint32_t uid,
                     std::uint32_t gid);
// Throws std::system_error.
UniqueFd listen_tcp(const std::string& host, std::uint16_t port);

// The pid of the program that connected; 0 if it is not known (TCP, another pid namespace).
std::int32_t program_of(int fd) noexcept;
// Requests a larger send buffer: beyond wmem_max with CAP_NET_ADMIN, else up to it.
void enlarge_send_buffer(int fd, int bytes) noexcept;
// Makes close() send RST instead of FIN (TCP only).
void reset_on_close(int fd) noexcept;

}  // namespace xsock::sys

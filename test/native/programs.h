// The local programs at both ends of a stream, for native tests of the data plane: dial, serve,
// compare.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sys/socket.h"
#include "tap.h"

namespace programs {

namespace sys = xsock::sys;
using Bytes = std::vector<char>;

inline sys::UniqueFd dial(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        return {};
    }
    return fd;
}

inline void write_all(int fd, const char* data, std::size_t length) {
    while (length > 0) {
        const ssize_t sent = ::send(fd, data, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        data += sent;
        length -= static_cast<std::size_t>(sent);
    }
}

// Reads to the end of the stream; `ok` is false after a reset or ten seconds without bytes.
inline Bytes read_all(int fd, bool& ok) {
    Bytes result;
    std::vector<char> buffer(1 << 16);
    for (;;) {
        pollfd waiting{fd, POLLIN, 0};
        if (::poll(&waiting, 1, tap::kDeadlineMs) <= 0) {
            ok = false;
            return result;
        }
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            ok = got == 0;
            return result;
        }
        result.insert(result.end(), buffer.begin(), buffer.begin() + got);
    }
}

inline Bytes random_bytes(std::size_t length, unsigned seed) {
    std::mt19937 random(seed);
    Bytes result(length);
    for (char& byte : result) {
        byte = static_cast<char>(random());
    }
    return result;
}

// A service: a thread that runs `serve` on a thread of its own for each connection.
class Service {
  public:
    Service(const std::string& path, std::function<void(int)> serve)
        : listener_(sys::listen_unix(path, 0600, static_cast<std::uint32_t>(-1),
                                     static_cast<std::uint32_t>(-1))),
          serve_(std::move(serve)),
          thread_([this] { run(); }) {}
    ~Service() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
        for (std::thread& worker : workers_) {
            worker.join();
        }
    }

  private:
    void run() {
        for (;;) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            ::poll(&waiting, 1, -1);
            const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) {
                return;
            }
            workers_.emplace_back([this, fd] {
                const sys::UniqueFd owned(fd);
                serve_(fd);
            });
        }
    }
    sys::UniqueFd listener_;
    std::function<void(int)> serve_;
    std::vector<std::thread> workers_;
    std::thread thread_;
};

inline void echo(int fd) {
    std::vector<char> buffer(1 << 16);
    for (;;) {
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            return;
        }
        write_all(fd, buffer.data(), static_cast<std::size_t>(got));
    }
}

inline bool round_trip(const std::string& path, std::size_t length, unsigned seed) {
    const sys::UniqueFd fd = dial(path);
    if (!fd.valid()) {
        return false;
    }
    const Bytes sent = random_bytes(length, seed);
    std::thread writer([&] {
        write_all(fd.get(), sent.data(), sent.size());
        ::shutdown(fd.get(), SHUT_WR);
    });
    bool ok = true;
    const Bytes got = read_all(fd.get(), ok);
    writer.join();
    return ok && got == sent;
}

}  // namespace programs

#include "system.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>

namespace load {

namespace {

constexpr int kBacklog = 4096;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::invalid_argument(path + ": longer than the path of a UNIX socket may be");
    }
    std::copy(path.begin(), path.end(), address.sun_path);
    return address;
}

Fd unix_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
        fail("socket");
    }
    return fd;
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Fd::~Fd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), ready_{} {
    if (!epoll_.valid()) {
        fail("epoll_create1");
    }
}

void Poller::add_readable(int fd) {
    add(fd, EPOLLIN);
}
void Poller::add_writable(int fd) {
    add(fd, EPOLLOUT);
}

void Poller::add(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

std::span<const int> Poller::wait(int milliseconds) {
    epoll_event events[kBatch];
    const int count = ::epoll_wait(epoll_.get(), events, kBatch, milliseconds);
    if (count < 0 && errno != EINTR) {
        fail("epoll_wait");
    }
    const std::span<const epoll_event> got(events, static_cast<std::size_t>(std::max(count, 0)));
    std::transform(got.begin(), got.end(), ready_,
                   [](const epoll_event& event) { return event.data.fd; });
    return {ready_, got.size()};
}

Fd listen_at(const std::string& path) {
    const sockaddr_un address = address_of(path);
    Fd fd = unix_socket();
    ::unlink(path.c_str());
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), kBacklog) != 0) {
        fail(path);
    }
    return fd;
}

Fd dial(const std::string& path) {
    const sockaddr_un address = address_of(path);
    Fd fd = unix_socket();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail(path);
    }
    return fd;
}

Fd accept_from(const Fd& listener) {
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) {
        fail("accept4");
    }
    return fd;
}

void set_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        fail("fcntl");
    }
}

std::size_t receive(int fd, std::span<char> into) {
    for (;;) {
        const ssize_t got = ::recv(fd, into.data(), into.size(), 0);
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno == ECONNRESET) {
            return 0;
        }
        if (errno != EINTR) {
            fail("recv");
        }
    }
}

bool receive_all(int fd, std::span<char> into) {
    while (!into.empty()) {
        const std::size_t got = receive(fd, into);
        if (got == 0) {
            return false;
        }
        into = into.subspan(got);
    }
    return true;
}

bool send_all(int fd, std::span<const char> from) {
    while (!from.empty()) {
        const ssize_t sent = ::send(fd, from.data(), from.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            from = from.subspan(static_cast<std::size_t>(sent));
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return false;
        } else if (errno != EINTR) {
            fail("send");
        }
    }
    return true;
}

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void pin_to(int cpu) {
    if (cpu < 0) {
        return;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        fail("sched_setaffinity: CPU " + std::to_string(cpu));
    }
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fail("getrlimit");
    }
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        fail("setrlimit");
    }
}

}  // namespace load

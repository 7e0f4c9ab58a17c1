// System calls that the modes share: sockets, epoll, clock, CPUs. Failures throw std::system_error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace load {

// Owns a file descriptor.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();
    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

// Level-triggered epoll over readable or writable descriptors; the key of a descriptor is itself.
class Poller {
  public:
    Poller();
    void add_readable(int fd);
    void add_writable(int fd);
    // Blocks until one is ready, at most `milliseconds`. Returns the ready ones; valid until the
    // next
    // call.
    std::span<const int> wait(int milliseconds);

  private:
    void add(int fd, std::uint32_t events);
    static constexpr int kBatch = 256;
    Fd epoll_;
    int ready_[kBatch];
};

Fd listen_at(const std::string& path);
// Waits while the other side's backlog is full.
Fd dial(const std::string& path);
// The next connection.
Fd accept_from(const Fd& listener);
void set_nonblocking(int fd);

// 0 at the end of the stream, or if the other side has reset it.
std::size_t receive(int fd, std::span<char> into);
// All of `into`; false at the end of the stream.
bool receive_all(int fd, std::span<char> into);
// All of `from`; false if the other side is gone.
bool send_all(int fd, std::span<const char> from);

// Seconds of a monotonic clock.
double now();
// -1: does nothing.
void pin_to(int cpu);
// As many descriptors as the hard limit allows.
void raise_descriptor_limit();

}  // namespace load

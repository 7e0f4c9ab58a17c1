// An object whose file descriptor is in a thread's epoll set; its address is the epoll tag. It must
// outlive the turn of the loop in which its descriptor was removed (see link::Host::defer_delete).
#pragma once

#include <cstdint>

namespace xsock::sys {

class Pollable {
  public:
    virtual ~Pollable() = default;
    // `events` are EPOLL... bits.
    virtual void on_ready(std::uint32_t events) = 0;
};

inline std::uint64_t tag_of(Pollable& pollable) noexcept {
    return reinterpret_cast<std::uint64_t>(&pollable);
}

}  // namespace xsock::sys

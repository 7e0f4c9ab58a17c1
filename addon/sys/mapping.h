// One owned memory mapping (mmap). Move-only; unmaps on destruction.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

#include "sys/error.h"

namespace xsock::sys {

class Mapping {
  public:
    Mapping() noexcept = default;
    // Takes ownership of a range that mmap() returned.
    Mapping(void* address, std::size_t length) noexcept : address_(address), length_(length) {}
    Mapping(Mapping&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)),
          length_(std::exchange(other.length_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        if (this != &other) {
            reset();
            address_ = std::exchange(other.address_, nullptr);
            length_ = std::exchange(other.length_, 0);
        }
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { reset(); }

    // Shares `length` bytes of `fd` from `offset` on.
    static Mapping shared(int fd, std::size_t length, int protection, off_t offset = 0) {
        return map(length, protection, MAP_SHARED, fd, offset);
    }
    // Private zeroed memory.
    static Mapping anonymous(std::size_t length) {
        return map(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept {
        return {static_cast<std::byte*>(address_), length_};
    }
    [[nodiscard]] bool valid() const noexcept { return address_ != nullptr; }
    void reset() noexcept {
        if (address_ != nullptr) {
            ::munmap(address_, length_);
            address_ = nullptr;
            length_ = 0;
        }
    }

  private:
    static Mapping map(std::size_t length, int protection, int flags, int fd, off_t offset) {
        void* address = ::mmap(nullptr, length, protection, flags, fd, offset);
        if (address == MAP_FAILED) {
            throw_errno("mmap");
        }
        return {address, length};
    }

    void* address_ = nullptr;
    std::size_t length_ = 0;
};

}  // namespace xsock::sys

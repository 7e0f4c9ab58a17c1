// Every memory order of the rings, and the only place that names one. All words are shared with a
// peer that may write anything at any time: each load is one load, into a local, never repeated.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace xsock::ring {

// The peer's index: what it wrote before publishing is visible after this load.
inline std::uint32_t load_acquire(std::uint32_t& word) noexcept {
    return std::atomic_ref(word).load(std::memory_order_acquire);
}
// Copies bytes that the peer may be changing: each is read exactly once, and only the copy is used
// afterwards. Enforced, not left to the compiler: small pieces (a frame's header) are read as
// volatile words; after a larger one a compiler barrier keeps the shared bytes from being read
// again in place of the copy.
inline void copy_once(std::byte* to, const std::byte* from, std::size_t length) noexcept {
    using Word [[gnu::may_alias]] = std::uint64_t;
    constexpr std::size_t kSmall = 8 * sizeof(Word);
    const bool words = length <= kSmall && length % sizeof(Word) == 0 &&
                       reinterpret_cast<std::uintptr_t>(from) % sizeof(Word) == 0;
    for (std::size_t done = 0; words && done < length; done += sizeof(Word)) {
        const Word word = *reinterpret_cast<const volatile Word*>(from + done);
        std::memcpy(to + done, &word, sizeof word);
    }
    if (!words) {
        std::memcpy(to, from, length);
        asm volatile("" : : "r"(to), "r"(from) : "memory");
    }
}
// Publishes our index: pairs with the peer's acquire load.
inline void store_release(std::uint32_t& word, std::uint32_t value) noexcept {
    std::atomic_ref(word).store(value, std::memory_order_release);
}
inline std::uint8_t load_acquire(std::uint8_t& byte) noexcept {
    return std::atomic_ref(byte).load(std::memory_order_acquire);
}
inline void store_release(std::uint8_t& byte, std::uint8_t value) noexcept {
    std::atomic_ref(byte).store(value, std::memory_order_release);
}
// Requests a notification: the full barrier makes the request visible before the index is checked
// once more; pairs with the barrier at the start of the peer's take_bits(), after its publish.
inline void set_bits(std::uint8_t& byte, std::uint8_t bits) noexcept {
    std::atomic_ref(byte).fetch_or(bits, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}
// Clears the bits and returns those that were set.
inline std::uint8_t take_bits(std::uint8_t& byte, std::uint8_t bits) noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint8_t before = std::atomic_ref(byte).load(std::memory_order_relaxed);
    if ((before & bits) == 0) {
        return 0;  // avoids the locked instruction; whoever sets a bit later checks the index again
    }
    return static_cast<std::uint8_t>(
        std::atomic_ref(byte).fetch_and(static_cast<std::uint8_t>(~bits),
                                        std::memory_order_seq_cst) &
        bits);
}

}  // namespace xsock::ring

// The libxenvchan control page (xen/include/public/io/libxenvchan.h), which both domains share. The
// peer can write every byte of it at any time. No behaviour here. Little-endian, natural layout.
//
// "Server" is the side that granted the pages, "client" the side that mapped them. `left` is the
// ring that the client writes and the server reads, `right` the other one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace xsock::abi {

static_assert(std::endian::native == std::endian::little, "the ABI is little-endian");

// Free-running byte counters modulo 2^32; used = prod - cons.
struct RingIndices {
    std::uint32_t cons;  // written by the reader of the ring only
    std::uint32_t prod;  // written by the writer of the ring only
};

struct ControlPage {
    RingIndices left;
    RingIndices right;
    std::uint16_t left_order;   // log2 of the ring's size in bytes; set once by the server
    std::uint16_t right_order;  // likewise
    std::uint8_t cli_live;      // 2 no client yet, 1 connected, 0 gone
    std::uint8_t srv_live;      // 1 up, 0 gone
    std::uint8_t cli_notify;    // bits that the client tests when it acts
    std::uint8_t srv_notify;    // bits that the server tests when it acts
    std::uint32_t grants[1];    // references of the left pages, then of the right pages
};

static_assert(offsetof(ControlPage, left.cons) == 0);
static_assert(offsetof(ControlPage, left.prod) == 4);
static_assert(offsetof(ControlPage, right.cons) == 8);
static_assert(offsetof(ControlPage, right.prod) == 12);
static_assert(offsetof(ControlPage, left_order) == 16);
static_assert(offsetof(ControlPage, right_order) == 18);
static_assert(offsetof(ControlPage, cli_live) == 20);
static_assert(offsetof(ControlPage, srv_live) == 21);
static_assert(offsetof(ControlPage, cli_notify) == 22);
static_assert(offsetof(ControlPage, srv_notify) == 23);
static_assert(offsetof(ControlPage, grants) == 24);

// Bits of cli_notify and srv_notify.
inline constexpr std::uint8_t kNotifyWrite = 1;  // "notify me when you have written"
inline constexpr std::uint8_t kNotifyRead = 2;   // "notify me when you have read"

inline constexpr std::uint8_t kGone = 0;
inline constexpr std::uint8_t kLive = 1;
inline constexpr std::uint8_t kNoClientYet = 2;

// An order is log2 of a ring's bytes, as in libxenvchan (not of its pages, as elsewhere in Xen).
// These are the orders of xsock's links: rings in granted pages of their own, 4 KiB to 1 MiB.
inline constexpr std::uint16_t kMinByteOrder = 12;
inline constexpr std::uint16_t kMaxByteOrder = 20;

// A libxenvchan server may also have rings of 1 and 2 KiB: they are inside the control page, at an
// offset that equals their size.
inline constexpr std::uint16_t kMinStockByteOrder = 10;

inline constexpr std::size_t kGrantsOffset = offsetof(ControlPage, grants);
inline constexpr std::size_t kMaxPagesPerRing = std::size_t{1} << (kMaxByteOrder - 12);
static_assert(kGrantsOffset + 2 * kMaxPagesPerRing * sizeof(std::uint32_t) <= 4096);

}  // namespace xsock::abi

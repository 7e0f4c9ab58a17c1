// Frames: how xsock carries many streams over the two byte rings of a link. Layout only.
// docs/protocol.md describes every frame; a test compares its numbers with this header.
//
// A frame is a 16-byte header and `length` bytes of payload, padded to a multiple of 16, so that a
// header never wraps around the end of the ring. A sender publishes whole frames only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xsock::abi {

inline constexpr std::size_t kFrameAlignment = 16;
// What a payload of `length` bytes takes up in the ring.
constexpr std::size_t padded(std::size_t length) noexcept {
    return (length + kFrameAlignment - 1) & ~(kFrameAlignment - 1);
}

enum class FrameType : std::uint8_t {
    kHello = 1,      // first frame each way; payload Hello
    kServices = 2,   // what the sender exports to the receiver; opaque to the data plane
    kPing = 3,       // argument: any number
    kPong = 4,       // argument: the number of the PING it answers
    kGoodbye = 5,    // no new streams; open ones may finish
    kLane = 6,       // a further channel of the same link, granted by the sender; payload Lane
    kOpen = 16,      // payload Open + name
    kAccept = 17,    // the target accepted the connection
    kRefuse = 18,    // argument: RefuseReason; the stream is over
    kData = 19,      // payload: bytes of the stream; argument: credit returned, in bytes
    kShutdown = 20,  // flags: kShutdownSend, kShutdownReceive
    kReset = 21,     // argument: ResetReason; the stream is over
    kCredit = 22,    // argument: bytes that the receiver of this frame may send in addition
    kTest = 255,     // no effect; needs Feature::kTest (abi/features.h)
};

// Flags of kShutdown, as in virtio-vsock: the sender of the frame ...
inline constexpr std::uint8_t kShutdownSend = 1;     // ... will send no more (half-close)
inline constexpr std::uint8_t kShutdownReceive = 2;  // ... will take no more; both bits: full close
// Flag of kServices: the message goes on in the next kServices frame.
inline constexpr std::uint8_t kServicesMore = 1;

struct FrameHeader {
    std::uint32_t length;  // bytes of payload, without padding
    FrameType type;
    std::uint8_t flags;
    std::uint16_t reserved;  // 0
    std::uint32_t stream;    // 0 for frames of the link itself
    std::uint32_t argument;
};

static_assert(sizeof(FrameHeader) == 16);
static_assert(offsetof(FrameHeader, length) == 0);
static_assert(offsetof(FrameHeader, type) == 4);
static_assert(offsetof(FrameHeader, flags) == 5);
static_assert(offsetof(FrameHeader, reserved) == 6);
static_assert(offsetof(FrameHeader, stream) == 8);
static_assert(offsetof(FrameHeader, argument) == 12);

inline constexpr char kHelloMagic[8] = {'x', 's', 'o', 'c', 'k', '0', '0', '1'};
inline constexpr std::uint16_t kVersionMin = 1;
inline constexpr std::uint16_t kVersionMax = 1;

// Later versions may append fields: a receiver ignores what it does not know.
struct Hello {
    char magic[8];
    std::uint16_t version_min;
    std::uint16_t version_max;
    std::uint32_t domid;           // the sender's
    std::uint32_t peer_domid;      // the receiver's, as the sender knows it
    std::uint32_t initial_window;  // bytes that the receiver may send on each new stream
    std::uint64_t features;        // bits: abi/features.h
    std::uint8_t instance[16];     // random, new at each start of the sender
    std::uint32_t max_payload;     // largest payload that the sender takes
    std::uint32_t max_streams;     // streams that the receiver may have open towards the sender
    std::uint32_t max_lanes;       // lanes of this link that the sender takes; 0 is 1
    std::uint32_t lane;            // which lane this is; 0 the first
};

static_assert(sizeof(Hello) == 64);
static_assert(offsetof(Hello, version_min) == 8);
static_assert(offsetof(Hello, domid) == 12);
static_assert(offsetof(Hello, peer_domid) == 16);
static_assert(offsetof(Hello, initial_window) == 20);
static_assert(offsetof(Hello, features) == 24);
static_assert(offsetof(Hello, instance) == 32);
static_assert(offsetof(Hello, max_payload) == 48);
static_assert(offsetof(Hello, max_streams) == 52);
static_assert(offsetof(Hello, max_lanes) == 56);
static_assert(offsetof(Hello, lane) == 60);

// Payload of kLane: the receiver maps and binds these as it did for the first lane.
struct Lane {
    std::uint32_t number;         // 1..min(max_lanes of both) - 1, each once
    std::uint32_t ring_ref;       // grant reference of its control page
    std::uint32_t event_channel;  // its port, unbound
    std::uint32_t reserved;       // 0
};
static_assert(sizeof(Lane) == 16);

// Payload of kOpen; `name_length` bytes of name follow. Either the port or the name is given.
struct Open {
    std::uint16_t port;         // service port, or 0: by name
    std::uint16_t name_length;  // 0..kMaxServiceName
};
static_assert(sizeof(Open) == 4);

inline constexpr std::size_t kMaxServiceName = 64;

enum class RefuseReason : std::uint32_t {
    kNoSuchService = 1,
    kDenied = 2,
    kTargetUnavailable = 3,
    kTooManyStreams = 4,
    kShuttingDown = 5,
};

enum class ResetReason : std::uint32_t {
    kLocalReset = 1,  // the program at the sender's end reset the connection
    kFdPassing = 2,   // it tried to pass file descriptors
    kTerminated = 3,  // by an operator, or at the end of a drain
};

// Stream ids: bit 0 tells who opened the stream (0 the link's server, 1 its client), the highest
// bits on which lane; the others count up and wrap, so that an id is not used again before 2^27
// others were.
inline constexpr std::uint32_t kStreamOpenerBit = 1;
inline constexpr std::uint32_t kStreamLaneShift = 28;
inline constexpr std::uint32_t kMaxLanes = 8;

// Limits of version 1.
inline constexpr std::uint32_t kMaxPayload = 256 * 1024;
inline constexpr std::uint32_t kMaxServicesMessage = 64 * 1024;

}  // namespace xsock::abi

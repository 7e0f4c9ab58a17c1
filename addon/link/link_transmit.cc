// The sending half of a link: puts frames into the ring. Streams are served round-robin, one DATA
// frame each, so that a bulk stream delays an interactive one by no more than one frame of every
// other stream. Pump thread only.
#include <cassert>
#include <cstring>

#include "link/link.h"

namespace xsock::link {

namespace {

// Bytes that one turn may put into the ring before other links get their turn.
constexpr std::size_t kTransmitBudget = std::size_t{256} * 1024;
// DATA is published at least every so many bytes, so that the peer reads while we write on.
constexpr std::size_t kPublishEvery = 32 * 1024;

// A stream that sends a DATA frame of at most kSmallFrame bytes counts as interactive
// (latency-sensitive) for kInteractiveTime; meanwhile other streams send only while fewer than
// kBulkRingLimit bytes are unread in the ring.
constexpr std::size_t kSmallFrame = 2048;
constexpr sys::Duration kInteractiveTime = sys::milliseconds(20);
constexpr std::size_t kBulkRingLimit = 32 * 1024;

}  // namespace

// True if there is more to send and space for it.
bool Link::transmit() {
    if (!channel_.producer().refresh()) {
        corrupt("consumer index out of range");
        return false;
    }
    blocked_on_space_ = false;
    if (!send_link_frames()) {
        publish();
        return false;
    }
    while (active() && !frames_.empty()) {
        Stream& stream = *frames_.front();
        if (!send_stream_frames(stream)) {
            publish();
            return false;
        }
        frames_.remove(stream);
        update(stream);
    }
    std::size_t done = 0;
    std::size_t unpublished = 0;
    Stream* next = data_.front();
    while (active() && next != nullptr && done < kTransmitBudget) {
        Stream& stream = *next;
        const std::size_t allowed = allowance(stream);
        if (allowed == 0) {
            blocked_on_space_ = true;
            next = stream.data_hook.next;
            continue;
        }
        const std::size_t before = channel_.producer().space();
        if (!send_data(stream, allowed)) {
            if (!channel_.producer().refresh()) {
                corrupt("consumer index out of range");
                return false;
            }
            if (channel_.producer().space() <= before) {
                publish();
                return false;
            }
            next = data_.front();
            continue;
        }
        const std::size_t sent = before - channel_.producer().space();
        done += sent;
        unpublished += sent;
        data_.remove(stream);
        update(stream);
        next = data_.front();
        if (unpublished >= kPublishEvery) {
            publish();
            flush_notify();
            unpublished = 0;
        }
    }
    publish();
    return state_ != LinkState::kDown && (next != nullptr || (active() && !frames_.empty()));
}

// The most bytes that a stream may send now. An interactive stream's bytes queue behind all that is
// in the ring: while there is one, the others fill less of it.
std::size_t Link::allowance(const Stream& stream) noexcept {
    if (stream.id == interactive_stream_ || host_.now() >= interactive_until_) {
        return abi::kMaxPayload;
    }
    const ring::Producer& ring = channel_.producer();
    const std::size_t unread = ring.size() - ring.space();
    return unread >= kBulkRingLimit ? 0 : kBulkRingLimit;
}

void Link::note_interactive(StreamId stream, std::size_t bytes) noexcept {
    if (bytes <= kSmallFrame) {
        interactive_stream_ = stream;
        interactive_until_ = host_.now() + kInteractiveTime;
    }
}

// False: no space in the ring.
bool Link::send_link_frames() {
    if (hello_wanted_) {
        abi::Hello hello{};
        std::memcpy(hello.magic, abi::kHelloMagic, sizeof hello.magic);
        hello.version_min = abi::kVersionMin;
        hello.version_max = abi::kVersionMax;
        hello.domid = identity_.domid;
        hello.peer_domid = identity_.peer_domid;
        hello.initial_window = stream::kInitialWindow;
        hello.features = identity_.features.bits();
        std::memcpy(hello.instance, identity_.instance.data(), sizeof hello.instance);
        hello.max_payload = abi::kMaxPayload;
        announced_streams_ = host_.limits().streams_per_peer;
        hello.max_streams = announced_streams_;
        hello.max_lanes = lanes().max_lanes;
        hello.lane = lane();
        if (!send_frame(abi::FrameType::kHello, 0, 0, 0, std::as_bytes(std::span(&hello, 1)))) {
            return false;
        }
        hello_wanted_ = false;
    }
    if (!active()) {
        return true;
    }
    if (pong_wanted_ && !send_frame(abi::FrameType::kPong, 0, 0, *pong_wanted_)) {
        return false;
    }
    pong_wanted_.reset();
    if (ping_wanted_) {
        if (!send_frame(abi::FrameType::kPing, 0, 0, ping_number_ + 1)) {
            return false;
        }
        ++ping_number_;
        ping_sent_at_ = host_.now();
        ping_wanted_ = false;
    }
    while (!lanes_out_.empty()) {
        if (!send_frame(abi::FrameType::kLane, 0, 0, 0,
                        std::as_bytes(std::span(&lanes_out_.back(), 1)))) {
            return false;
        }
        lanes_out_.pop_back();
    }
    while (services_under_way_ || services_out_) {
        if (!send_services_part()) {
            return false;
        }
    }
    if (goodbye_wanted_) {
        if (!send_frame(abi::FrameType::kGoodbye, 0, 0, 0)) {
            return false;
        }
        goodbye_wanted_ = false;
        goodbye_sent_ = true;
    }
    return true;
}

// A message may be larger than a small ring: it is sent in parts of at most a quarter of the ring.
bool Link::send_services_part() {
    if (!services_under_way_) {
        services_leaving_ = std::move(*services_out_);
        services_out_.reset();
        services_offset_ = 0;
        services_under_way_ = true;
    }
    const std::size_t left = services_leaving_.size() - services_offset_;
    const std::size_t part =
        std::min({left, channel_.producer().size() / 4, std::size_t{peer_max_payload_}});
    const std::uint8_t flags = part < left ? abi::kServicesMore : 0;
    if (!send_frame(abi::FrameType::kServices, flags, 0, 0,
                    std::span(services_leaving_).subspan(services_offset_, part))) {
        return false;
    }
    services_offset_ += part;
    services_under_way_ = flags != 0;
    return true;
}

// Sends every frame that this stream has queued, except DATA. False: no space in the ring.
bool Link::send_stream_frames(Stream& stream) {
    switch (stream.outbox.notice()) {
        case stream::Notice::kNone:
            break;
        case stream::Notice::kOpen: {
            const std::uint16_t port = stream.outbox.service_port();
            const std::string name = port != 0 ? std::string() : *stream.label;
            const abi::Open open{.port = port,
                                 .name_length = static_cast<std::uint16_t>(name.size())};
            std::byte payload[sizeof open + abi::kMaxServiceName];
            std::memcpy(payload, &open, sizeof open);
            std::memcpy(payload + sizeof open, name.data(), name.size());
            if (!send_frame(abi::FrameType::kOpen, 0, stream.id, 0,
                            std::span(payload).first(sizeof open + name.size()))) {
                return false;
            }
            break;
        }
        case stream::Notice::kAccept:
            if (!send_frame(abi::FrameType::kAccept, 0, stream.id, 0)) {
                return false;
            }
            break;
        case stream::Notice::kRefuse:
            if (!send_frame(abi::FrameType::kRefuse, 0, stream.id, stream.outbox.reason())) {
                return false;
            }
            break;
        case stream::Notice::kReset:
            if (!send_frame(abi::FrameType::kReset, 0, stream.id, stream.outbox.reason())) {
                return false;
            }
            break;
    }
    stream.outbox.notice_sent();
    if (stream.credit.due()) {
        if (channel_.producer().space() < sizeof(abi::FrameHeader)) {
            blocked_on_space_ = true;
            return false;
        }
        send_frame(abi::FrameType::kCredit, 0, stream.id, stream.credit.take());
    }
    if (shutdown_due(stream.state)) {
        if (!send_frame(abi::FrameType::kShutdown, shutdown_flags(stream.state), stream.id, 0)) {
            return false;
        }
        stream.apply(stream::Event::kShutdownSent);
    }
    return true;
}

// One DATA frame of at most `max_length` bytes, which the kernel receives straight into the ring.
// False: too little space in the ring.
bool Link::send_data(Stream& stream, std::size_t max_length) {
    ring::Producer& ring = channel_.producer();
    const std::size_t space = ring.space();
    if (space < ring.size() / 8) {
        blocked_on_space_ = true;  // small frames would cost a system call each
        return false;
    }
    // The peer may free space that ends inside a frame: payload and padding must fit what it freed.
    constexpr std::size_t kWhole = ~(abi::kFrameAlignment - 1);
    const std::size_t room =
        std::min<std::size_t>({(space - sizeof(abi::FrameHeader)) & kWhole,
                               peer_max_payload_ & kWhole, stream.credit.sendable(), max_length});
    ring::Segments target = ring.room(sizeof(abi::FrameHeader), room);
    const std::span<iovec> parts = std::span(target.parts).first(target.count);
    const sys::TransferResult got = stream.holds_input() ? sys::peek(stream.fd.get(), parts)
                                                         : sys::receive(stream.fd.get(), parts);
    switch (got.outcome) {
        case sys::Transfer::kWouldBlock:
            stream.readable = false;
            return true;
        case sys::Transfer::kEndOfFile:
            stream.note_end_of_input();
            return true;
        case sys::Transfer::kBroken:
            if (stream.tcp()) {
                reset(stream, abi::ResetReason::kLocalReset, EndReason::kLocalReset);
            } else {
                // The program closed its end with bytes unread; what it wrote before that has been
                // read.
                stream.closed = Stream::Closed::kBoth;
                stream.note_end_of_input();
            }
            return true;
        case sys::Transfer::kFdPassing:
            ++counters_.fd_passing_resets;
            reset(stream, abi::ResetReason::kFdPassing, EndReason::kFdPassing);
            return true;
        case sys::Transfer::kBytes:
            break;
    }
    const abi::FrameHeader header{static_cast<std::uint32_t>(got.bytes),
                                  abi::FrameType::kData,
                                  0,
                                  0,
                                  stream.id,
                                  stream.credit.take()};
    ring.room(0, sizeof header).copy_from(std::as_bytes(std::span(&header, 1)));
    ring.advance(sizeof header + abi::padded(got.bytes));
    ++counters_.frames_sent;
    stream.credit.spend(static_cast<std::uint32_t>(got.bytes));
    stream.bytes_sent += got.bytes;
    if (stream.holds_input()) {
        stream.held = static_cast<std::uint32_t>(got.bytes);
    }
    counters_.bytes_sent += got.bytes;
    if (got.bytes < room) {
        note_interactive(stream.id, got.bytes);
        if (stream.closed == Stream::Closed::kNothing) {
            stream.readable = false;  // drained: the next byte brings an edge (EPOLLET)
        } else if (!stream.tcp()) {
            // A UNIX socket's peer that has shut down queues nothing more, and all before was read.
            stream.note_end_of_input();
        }
    }
    return true;
}

bool Link::send_frame(abi::FrameType type, std::uint8_t flags, StreamId stream,
                      std::uint32_t argument, std::span<const std::byte> payload) {
    assert(features_.contains(abi::required_for(type, flags)));
    ring::Producer& ring = channel_.producer();
    const abi::FrameHeader header{
        static_cast<std::uint32_t>(payload.size()), type, flags, 0, stream, argument};
    const std::size_t total = sizeof header + abi::padded(payload.size());
    if (ring.space() < total) {
        blocked_on_space_ = true;
        return false;
    }
    ring.room(0, sizeof header).copy_from(std::as_bytes(std::span(&header, 1)));
    ring.room(sizeof header, payload.size()).copy_from(payload);
    ring.advance(total);
    ++counters_.frames_sent;
    return true;
}

void Link::publish() {
    wrote_ = channel_.producer().publish() || wrote_;
}

void Link::flush_notify() {
    const auto acted = static_cast<std::uint8_t>((wrote_ ? abi::kNotifyWrite : 0) |
                                                 (read_ ? abi::kNotifyRead : 0));
    wrote_ = false;
    read_ = false;
    if (acted != 0 && channel_.take_notify(acted) != 0) {
        ++counters_.doorbells_sent;
        doorbells_.notify(port_);
    }
}

}  // namespace xsock::link

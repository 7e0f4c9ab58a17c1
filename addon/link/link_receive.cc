// The receiving half of a link: takes frames out of the ring and validates each before acting on
// it. The peer can write everything in the ring, at any time. Pump thread only.
#include <cstring>

#include "link/link.h"

namespace xsock::link {

namespace {

// Bytes that one turn may take out of the ring before other links get their turn.
constexpr std::size_t kReceiveBudget = std::size_t{256} * 1024;
// Refused streams beyond the limit whose REFUSE may wait for space in the ring: a correct peer
// respects the limit, give or take streams whose end is still in flight.
constexpr std::size_t kSurplusStreams = 1024;

// Copies a fixed part out of the ring; the rest of the payload, if any, is ignored.
template <typename T>
bool copy_out(const ring::Segments& payload, T& target) noexcept {
    if (payload.size() < sizeof target) {
        return false;
    }
    payload.copy_to(std::as_writable_bytes(std::span(&target, 1)));
    return true;
}

}  // namespace

// True if frames are left for the next turn.
bool Link::receive() {
    ring::Consumer& ring = channel_.consumer();
    std::size_t done = 0;
    while (done < kReceiveBudget && state_ != LinkState::kDown) {
        if (ring.available() < sizeof(abi::FrameHeader) && !ring.refresh()) {
            corrupt("producer index out of range");
            return false;
        }
        if (ring.available() == 0) {
            break;
        }
        if (ring.available() < sizeof(abi::FrameHeader)) {
            corrupt("truncated frame header");
            return false;
        }
        FrameView frame;
        ring.data(0, sizeof frame.header)
            .copy_to(std::as_writable_bytes(std::span(&frame.header, 1)));
        if (frame.header.length > abi::kMaxPayload) {
            corrupt("frame of " + std::to_string(frame.header.length) + " bytes, at most " +
                    std::to_string(abi::kMaxPayload) + " are allowed");
            return false;
        }
        const std::size_t total = sizeof frame.header + abi::padded(frame.header.length);
        if (total > ring.available()) {
            corrupt("truncated frame");
            return false;
        }
        frame.payload = ring.data(sizeof frame.header, frame.header.length);
        ++counters_.frames_received;
        last_heard_ = host_.now();
        handle(frame);
        ring.advance(total);
        done += total;
        if (ring.unpublished() >= ring.size() / 4) {
            read_ = ring.publish() || read_;
            flush_notify();
        }
    }
    read_ = ring.publish() || read_;
    return state_ != LinkState::kDown && ring.available() > 0;
}

void Link::handle(const FrameView& frame) {
    if (state_ == LinkState::kGreeting) {
        if (frame.header.type != abi::FrameType::kHello) {
            corrupt("the first frame is not HELLO");
            return;
        }
        handle_hello(frame);
    } else if (!features_.contains(abi::required_for(frame.header.type, frame.header.flags))) {
        corrupt("frame type " + std::to_string(static_cast<int>(frame.header.type)) +
                " or a flag of it was not negotiated");
    } else if (frame.header.stream == 0) {
        handle_link_frame(frame);
    } else {
        handle_stream_frame(frame);
    }
}

void Link::handle_hello(const FrameView& frame) {
    abi::Hello hello;
    if (!copy_out(frame.payload, hello) ||
        std::memcmp(hello.magic, abi::kHelloMagic, sizeof hello.magic) != 0) {
        corrupt("HELLO is too short or not ours");
        return;
    }
    const std::uint16_t version = std::min(hello.version_max, abi::kVersionMax);
    if (version < std::max(hello.version_min, abi::kVersionMin)) {
        down(DownReason::kVersion, "the peer speaks versions " + std::to_string(hello.version_min) +
                                       " to " + std::to_string(hello.version_max) + ", we " +
                                       std::to_string(abi::kVersionMin) + " to " +
                                       std::to_string(abi::kVersionMax));
        return;
    }
    if (hello.domid != identity_.peer_domid || hello.peer_domid != identity_.domid) {
        down(DownReason::kIdentity, "the peer says it is domain " + std::to_string(hello.domid) +
                                        " talking to domain " + std::to_string(hello.peer_domid));
        return;
    }
    if (hello.max_payload < abi::kFrameAlignment) {
        corrupt("HELLO allows no payload");
        return;
    }
    if (hello.lane != lane()) {
        down(DownReason::kIdentity, "the peer says it is at lane " + std::to_string(hello.lane) +
                                        ", we are at lane " + std::to_string(lane()));
        return;
    }
    if (lane() > 0 &&
        std::memcmp(lanes().peer_instance.data(), hello.instance, sizeof hello.instance) != 0) {
        down(DownReason::kIdentity, "the peer has another instance than on the first lane");
        return;
    }
    features_ = identity_.features & abi::FeatureSet(hello.features);
    peer_window_ = hello.initial_window;
    peer_max_payload_ = std::min(hello.max_payload, abi::kMaxPayload);
    peer_max_streams_ = hello.max_streams;
    state_ = LinkState::kUp;
    lanes_agreed_ = std::clamp<std::uint32_t>(hello.max_lanes, 1, lanes().max_lanes);
    const bool offers = lane() == 0 && channel_.role() == channel::Role::kServer;
    LinkUp up{id_, version, features_.bits(), {}, offers ? lanes_agreed_ - 1 : 0};
    std::memcpy(up.instance.data(), hello.instance, up.instance.size());
    if (lane() == 0) {
        lanes().peer_instance = up.instance;
    }
    lanes().set_up(lane(), true);
    host_.report(up);
}

void Link::handle_link_frame(const FrameView& frame) {
    if (lane() > 0 && (frame.header.type == abi::FrameType::kServices ||
                       frame.header.type == abi::FrameType::kLane)) {
        corrupt("frame type " + std::to_string(static_cast<int>(frame.header.type)) +
                " belongs to the first lane");
        return;
    }
    switch (frame.header.type) {
        case abi::FrameType::kLane:
            handle_lane(frame);
            break;
        case abi::FrameType::kServices:
            handle_services(frame);
            break;
        case abi::FrameType::kTest:
            break;
        case abi::FrameType::kPing:
            pong_wanted_ = frame.header.argument;
            break;
        case abi::FrameType::kPong:
            if (frame.header.argument == ping_number_) {
                counters_.round_trip_us = static_cast<std::uint64_t>(
                    std::chrono::duration_cast<std::chrono::microseconds>(host_.now() -
                                                                          ping_sent_at_)
                        .count());
            }
            break;
        case abi::FrameType::kGoodbye:
            if (!goodbye_heard_) {
                goodbye_heard_ = true;
                goodbye_wanted_ = !goodbye_sent_;
                state_ = LinkState::kDraining;
                host_.report(LinkDraining{id_});
            }
            break;
        default:
            corrupt("frame type " + std::to_string(static_cast<int>(frame.header.type)) +
                    " does not belong to the link");
    }
}

void Link::handle_lane(const FrameView& frame) {
    abi::Lane further;
    if (!copy_out(frame.payload, further) || channel_.role() == channel::Role::kServer ||
        further.number >= lanes_agreed_ || (lanes_heard_ & 1U << further.number) != 0) {
        corrupt("LANE that was not agreed on");
        return;
    }
    lanes_heard_ |= 1U << further.number;
    host_.report(LaneOffered{id_, further.number, further.ring_ref, further.event_channel});
}

void Link::handle_services(const FrameView& frame) {
    const std::size_t old = services_in_.size();
    if (old + frame.payload.size() > abi::kMaxServicesMessage) {
        corrupt("SERVICES message over " + std::to_string(abi::kMaxServicesMessage) + " bytes");
        return;
    }
    services_in_.resize(old + frame.payload.size());
    frame.payload.copy_to(std::span(services_in_).subspan(old));
    if ((frame.header.flags & abi::kServicesMore) == 0) {
        // A repeated list is not reported: parsing one is expensive for the control plane.
        if (services_in_ != services_heard_ || !services_known_) {
            services_known_ = true;
            services_heard_ = services_in_;
            host_.report(Services{id_, std::move(services_in_)});
        }
        services_in_.clear();
    }
}

void Link::handle_stream_frame(const FrameView& frame) {
    if (frame.header.type == abi::FrameType::kOpen) {
        handle_open(frame);
        return;
    }
    Stream* stream = last_stream_;
    if (stream == nullptr || stream->id != frame.header.stream) {
        const auto it = streams_.find(frame.header.stream);
        stream = it == streams_.end() ? nullptr : it->second.get();
        last_stream_ = stream;
    }
    const bool known = stream != nullptr && !stream->over();
    if (!known) {
        // May have crossed with the frame that ended the stream: only its type is checked.
        ++counters_.stale_frames;
    }
    const bool ours = known && stream->direction == Direction::kOutgoing;
    if (known && stream->state.phase == stream::Phase::kUnanswered &&
        frame.header.type != abi::FrameType::kRefuse &&
        frame.header.type != abi::FrameType::kReset) {
        stream->apply(stream::Event::kAnswered);
        stream->discard_held();
        if (stream->can_send()) {
            data_.push_back(*stream);
            host_.schedule(*this);
        }
    }
    switch (frame.header.type) {
        case abi::FrameType::kData:
            if (known) {
                handle_data(*stream, frame);
            }
            break;
        case abi::FrameType::kCredit:
            if (known) {
                handle_credit(*stream, frame.header.argument);
            }
            break;
        case abi::FrameType::kShutdown:
            if (known) {
                handle_shutdown(*stream, frame.header.flags);
            }
            break;
        case abi::FrameType::kReset:
            if (known) {
                finish(*stream, stream::Event::kPeerReset, EndReason::kPeerReset);
                erase(*stream);
            }
            break;
        case abi::FrameType::kAccept:
            if (known && !ours) {
                corrupt("ACCEPT for a stream that the peer opened");
            }
            break;
        case abi::FrameType::kRefuse:
            if (known && !ours) {
                corrupt("REFUSE for a stream that the peer opened");
            } else if (known) {
                handle_refuse(*stream, frame.header.argument);
            }
            break;
        default:
            corrupt("frame type " + std::to_string(static_cast<int>(frame.header.type)) +
                    " does not belong to a stream");
    }
}

void Link::handle_open(const FrameView& frame) {
    const StreamId id = frame.header.stream;
    const std::uint32_t peer_bit = channel_.role() == channel::Role::kServer ? 1 : 0;
    if (id < 2 || (id & abi::kStreamOpenerBit) != peer_bit ||
        id >> abi::kStreamLaneShift != lane() || streams_.contains(id)) {
        corrupt("OPEN with an id that is in use or not the peer's to choose");
        return;
    }
    abi::Open open;
    if (!copy_out(frame.payload, open) || open.name_length > abi::kMaxServiceName ||
        sizeof open + open.name_length > frame.payload.size() ||
        (open.port == 0) == (open.name_length == 0)) {
        corrupt("OPEN needs either a port or a name of 1 to 64 bytes");
        return;
    }
    std::string name(open.name_length, '\0');
    frame.payload.copy_to(std::as_writable_bytes(std::span(name)), sizeof open);
    const std::shared_ptr<const ExportTable> exports = lanes().exports();
    const ExportFound found = name.empty() ? exports->find(open.port) : exports->find(name);
    const Label label = found.entry == nullptr ? label_of(name, open.port) : found.label;

    const std::uint32_t limit = host_.limits().streams_per_peer;
    const std::size_t incoming = streams_.size() - outgoing_;
    const std::size_t elsewhere = lanes().elsewhere(lane()).second;
    // The limit may have been lowered since: the peer is held to the one in our HELLO.
    if (incoming >= announced_streams_ + kSurplusStreams) {
        corrupt("more streams than the limit of " + std::to_string(announced_streams_));
        return;
    }
    Stream* stream =
        incoming + elsewhere < limit ? add_stream(id, Direction::kIncoming, label) : nullptr;
    if (stream == nullptr) {
        Stream& refused = insert(id, Direction::kIncoming, label, stream::Credit());
        refuse(refused, abi::RefuseReason::kTooManyStreams, "");
        return;
    }
    if (state_ == LinkState::kDraining) {
        refuse(*stream, abi::RefuseReason::kShuttingDown, "");
        return;
    }
    if (found.entry == nullptr) {
        refuse(*stream, abi::RefuseReason::kNoSuchService, "");
    } else if (!found.entry->allowed) {
        refuse(*stream, abi::RefuseReason::kDenied, "");
    } else {
        start_connecting(*stream, found.entry->target);
    }
}

void Link::handle_data(Stream& stream, const FrameView& frame) {
    const std::size_t length = frame.header.length;
    const bool after_end = peer_ended(stream.state.receiving);
    if (after_end || !stream.credit.receive(length)) {
        corrupt(after_end ? "DATA after the end of the stream" : "DATA beyond the credit given");
        return;
    }
    stream.bytes_received += length;
    counters_.bytes_received += length;
    if (frame.header.argument != 0) {
        handle_credit(stream, frame.header.argument);
        if (state_ == LinkState::kDown) {
            return;
        }
    }
    if (program_stopped(stream.state.receiving) || length == 0) {
        return;
    }
    std::size_t delivered = stream.deliver(frame.payload);
    if (delivered < length && !program_stopped(stream.state.receiving)) {
        stream.pending.append(frame.payload, delivered);
        delivered += stream.flush();
    }
    return_credit(stream, delivered);
    if (stream.has_frames()) {
        update(stream);
    }
}

void Link::handle_credit(Stream& stream, std::uint32_t bytes) {
    const bool was_empty = stream.credit.sendable() == 0;
    if (!stream.credit.add(bytes)) {
        corrupt("credit overflow");
        return;
    }
    if (was_empty) {
        update(stream);
    }
}

void Link::handle_shutdown(Stream& stream, std::uint8_t flags) {
    if ((flags & ~(abi::kShutdownSend | abi::kShutdownReceive)) != 0 || flags == 0) {
        corrupt("SHUTDOWN with unknown flags");
        return;
    }
    if ((flags & abi::kShutdownReceive) != 0) {
        stream.apply(stream::Event::kPeerStopped);
    }
    if ((flags & abi::kShutdownSend) != 0) {
        stream.apply(stream::Event::kPeerEnded);
        stream.flush();
    }
    // If everything is delivered, update() closes the socket anyway.
    if (discards_input(stream.state)) {
        stop_input(stream);
    }
    update(stream);
}

}  // namespace xsock::link

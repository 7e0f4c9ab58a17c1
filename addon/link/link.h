// A link, or one of its lanes (link/lanes.h): frames of many streams over one channel. It
// implements the protocol (docs/protocol.md) and knows nothing of threads. Pump thread only. A peer
// that violates the protocol takes its own link down, with a reason, and nothing else.
//
// One turn (service): read frames (link_receive.cc), write frames (link_transmit.cc), notify the
// peer if it asked for that. Work per turn is bounded; the remainder is done in the next one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "abi/features.h"
#include "abi/frame.h"
#include "channel/channel.h"
#include "link/counters.h"
#include "link/host.h"
#include "link/intrusive_list.h"
#include "link/lanes.h"
#include "link/service_counters.h"
#include "link/stream.h"

namespace xsock::link {

enum class LinkState : std::uint8_t {
    kWaiting,   // server: offered, no client has connected yet
    kGreeting,  // connected; waiting for the peer's HELLO
    kUp,
    kDraining,  // GOODBYE sent or received: no new streams
    kDown,      // ended; the pump removes it at the end of the turn
};

// The peer chooses ids of streams: multiplying by a random odd number keeps it from making them
// collide.
struct StreamIdHash {
    std::uint64_t factor;
    std::size_t operator()(StreamId id) const noexcept { return (id * factor) >> 24; }
};
using StreamTable = std::unordered_map<StreamId, std::unique_ptr<Stream>, StreamIdHash>;

struct Identity {
    std::uint32_t domid;
    std::uint32_t peer_domid;
    std::array<std::uint8_t, 16> instance;
    abi::FeatureSet features;  // that we support
};

class Link final : public StreamOwner {
  public:
    // `doorbells` must outlive the link. The pump closes `port` after the link is destroyed: the
    // unmap-notify of the pages still sends on it.
    Link(Host& host, LinkId id, const Identity& identity, channel::ChannelMemory memory,
         hypervisor::Doorbells& doorbells, hypervisor::EventChannelPort port,
         LaneRef lane_ref = {});
    ~Link() override;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    [[nodiscard]] LinkId id() const noexcept { return id_; }
    [[nodiscard]] unsigned lane() const noexcept { return lane_ref_.number; }
    [[nodiscard]] Lanes& lanes() const noexcept { return *lane_ref_.lanes; }
    [[nodiscard]] const LaneRef& lane_ref() const noexcept { return lane_ref_; }
    [[nodiscard]] LinkState state() const noexcept { return state_; }
    [[nodiscard]] hypervisor::EventChannelPort port() const noexcept { return port_; }
    [[nodiscard]] hypervisor::Doorbells& doorbells() const noexcept { return doorbells_; }
    [[nodiscard]] const LinkCounters& counters() const noexcept { return counters_; }
    [[nodiscard]] const ServiceTally& services() const noexcept { return services_; }
    [[nodiscard]] const StreamTable& streams() const noexcept { return streams_; }

    // A client marks itself live, notifies the server and sends HELLO; a server sends HELLO once a
    // client is there.
    void start();
    // One bounded turn of work. `progress` tells whether the peer has done anything since the last
    // one. True: there is more to do immediately. The peer sends no notification for what it does
    // from now on, until enable_notifications().
    bool service(bool& progress);
    // Whether the peer has done something: reads the shared words, without a system call.
    [[nodiscard]] bool poll();
    // Before sleeping: asks the peer for notifications, then polls once more, for what the peer
    // did before it could see the request. True: there is something to do.
    bool enable_notifications();
    // When tick() is due next.
    [[nodiscard]] sys::TimePoint deadline() const noexcept;
    void tick();

    // Announces a further lane to the peer. First lane only.
    void announce(const abi::Lane& lane);
    // Replaces a message of which no part has been sent yet.
    void send_services(std::vector<std::byte> message);
    // Opens a stream for a local program that has connected: to the service at `service_port`, or,
    // if that is 0, to the one that the label names. If that is impossible the program's socket is
    // closed.
    void open(sys::UniqueFd socket, sys::SocketKind kind, const Label& label,
              std::uint16_t service_port);
    // Resets a stream; false if there is none.
    bool terminate(StreamId stream);
    // Sends GOODBYE: no new streams; the link goes down once the last stream has ended, or at
    // `until`.
    void drain(sys::TimePoint until);
    // Ends the link now. Streams are reset; a stream that the peer had finished sending is still
    // delivered (Host::adopt_orphan).
    void down(DownReason reason, std::string detail);

    void note_doorbell() noexcept { ++counters_.doorbells_received; }
    void on_stream_ready(Stream& stream) override;
    void on_output_blocked(Stream& stream) override;

  private:
    struct FrameView {
        abi::FrameHeader header;
        ring::Segments payload;  // peer-writable until released
    };

    // link.cc
    void corrupt(std::string detail) { down(DownReason::kCorrupt, std::move(detail)); }
    void check_peer(bool& progress);
    [[nodiscard]] sys::TimePoint silent_at() const noexcept;
    [[nodiscard]] bool active() const noexcept {
        return state_ == LinkState::kUp || state_ == LinkState::kDraining;
    }

    // link_streams.cc
    Stream* add_stream(StreamId id, Direction direction, Label label);
    Stream& insert(StreamId id, Direction direction, Label label, stream::Credit credit);
    void update(Stream& stream);
    void finish(Stream& stream, stream::Event why, EndReason reason);
    void close_socket(Stream& stream, stream::Event why);
    void erase(Stream& stream);
    void note_streams() noexcept;
    [[nodiscard]] StreamId next_id() noexcept;
    void start_connecting(Stream& stream, const sys::Address& target);
    void become_open(Stream& stream);
    void attach(Stream& stream, bool watch);
    void try_connect(Stream& stream);
    void stop_connecting(Stream& stream) noexcept;
    void stop_input(Stream& stream);
    void handle_refuse(Stream& stream, std::uint32_t reason);
    void refuse(Stream& stream, abi::RefuseReason reason, std::string detail);
    void reset(Stream& stream, abi::ResetReason reason, EndReason end);
    void return_credit(Stream& stream, std::size_t delivered);

    // link_receive.cc
    bool receive();
    void handle(const FrameView& frame);
    void handle_link_frame(const FrameView& frame);
    void handle_stream_frame(const FrameView& frame);
    void handle_hello(const FrameView& frame);
    void handle_services(const FrameView& frame);
    void handle_lane(const FrameView& frame);
    void handle_open(const FrameView& frame);
    void handle_data(Stream& stream, const FrameView& frame);
    void handle_credit(Stream& stream, std::uint32_t bytes);
    void handle_shutdown(Stream& stream, std::uint8_t flags);

    // link_transmit.cc
    bool transmit();
    bool send_link_frames();
    bool send_services_part();
    bool send_stream_frames(Stream& stream);
    bool send_data(Stream& stream, std::size_t max_length);
    [[nodiscard]] std::size_t allowance(const Stream& stream) noexcept;
    void note_interactive(StreamId stream, std::size_t bytes) noexcept;
    bool send_frame(abi::FrameType type, std::uint8_t flags, StreamId stream,
                    std::uint32_t argument, std::span<const std::byte> payload = {});
    void publish();
    void flush_notify();

    Host& host_;
    const LinkId id_;
    const Identity identity_;
    const LaneRef lane_ref_;
    channel::Channel channel_;
    hypervisor::Doorbells& doorbells_;
    const hypervisor::EventChannelPort port_;
    LinkState state_;
    LinkCounters counters_;
    ServiceTally services_;  // of streams that have ended

    StreamTable streams_;
    Stream* last_stream_ = nullptr;  // of the last frame: frames of a bulk stream come in runs
    StreamId next_id_;
    std::uint32_t outgoing_ = 0;
    IntrusiveList<Stream, &Stream::frames_hook> frames_;  // have frames other than data to send
    IntrusiveList<Stream, &Stream::data_hook> data_;      // have data to send; round-robin
    IntrusiveList<Connecting, &Connecting::hook> connecting_;  // targets not reached yet

    // From the peer's HELLO.
    abi::FeatureSet features_;  // negotiated
    std::uint32_t peer_window_ = 0;
    std::uint32_t peer_max_payload_ = 0;
    std::uint32_t peer_max_streams_ = 0;
    std::uint32_t announced_streams_ = 0;  // the limit in our HELLO, whatever was set since

    bool hello_wanted_ = false;
    bool goodbye_wanted_ = false;
    bool goodbye_sent_ = false;
    bool goodbye_heard_ = false;
    std::optional<std::uint32_t> pong_wanted_;
    bool ping_wanted_ = false;
    std::uint32_t ping_number_ = 0;
    sys::TimePoint ping_sent_at_{};
    sys::TimePoint last_heard_;
    sys::TimePoint last_ping_;
    sys::TimePoint drain_until_ = sys::kNever;
    unsigned lanes_agreed_ = 1;
    unsigned lanes_heard_ = 1;          // bit mask of the lanes that the peer has announced
    std::vector<abi::Lane> lanes_out_;  // to be announced to the peer
    std::optional<std::vector<std::byte>> services_out_;  // the next message, not begun
    std::vector<std::byte> services_leaving_;             // the message being sent, in parts
    std::size_t services_offset_ = 0;
    bool services_under_way_ = false;
    std::vector<std::byte> services_in_;     // parts received so far; peer-controlled, bounded
    std::vector<std::byte> services_heard_;  // the last list that was reported
    bool services_known_ = false;            // one was reported

    StreamId interactive_stream_ = 0;  // the last one that sent a small frame
    sys::TimePoint interactive_until_{};

    std::uint32_t acknowledged_ = 0;  // the peer's read index at the last turn
    bool blocked_on_space_ = false;   // a frame waits for room in the ring
    bool wrote_ = false;              // since the last flush_notify()
    bool read_ = false;
};

}  // namespace xsock::link

// One raw byte stream over a libxenvchan channel (xen/include/public/io/libxenvchan.h): a local
// socket on this side, any program that uses libxenvchan on the other. No frames: the page's live
// bytes are the only signal, so a half-close cannot be signalled to the peer. Relays' thread only.
//
// It follows: what either side wrote before it ended is delivered. As server we end the channel
// when the target has ended and the peer has read everything. As client we keep it after an
// end-of-file of the local program, for the answer, until the peer ends it or the program is gone.
//
// What the peer can write: the control page and the ring it produces into; see channel/channel.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "channel/channel.h"
#include "hypervisor/hypervisor.h"
#include "sys/clock.h"
#include "sys/epoll.h"
#include "sys/pollable.h"
#include "sys/socket.h"
#include "vchan/events.h"

namespace xsock::vchan {

class Relay final : public sys::Pollable {
  public:
    // Server: waits for a client, then connects to `target`.
    Relay(RelayId relay_id, channel::ChannelMemory memory, hypervisor::Doorbells& doorbells,
          hypervisor::EventChannelPort port, sys::Epoll& epoll, sys::Address target);
    // Client: `local` is the program's connection.
    Relay(RelayId relay_id, channel::ChannelMemory memory, hypervisor::Doorbells& doorbells,
          hypervisor::EventChannelPort port, sys::Epoll& epoll, sys::UniqueFd local);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    // Tells the peer, releases the pages, closes the port.
    ~Relay() override;

    void on_ready(std::uint32_t events) override;
    // Moves what can be moved, within bounds. True: there is more to do immediately.
    bool turn(sys::TimePoint now);
    void terminate() noexcept { end(End::kTerminated, ""); }
    // Once it is over: tells both sides. A server may keep the channel for its next client, and
    // discard what that one writes until it has noticed that this one left (vchan-socket-proxy
    // does): so the page is kept until left().
    void leave(sys::TimePoint now);
    // True once the server has noticed, or a timeout has passed.
    [[nodiscard]] bool left(sys::TimePoint now);

    [[nodiscard]] bool over() const noexcept { return end_.has_value(); }
    [[nodiscard]] End reason() const noexcept { return end_.value_or(End::kClosed); }
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
    [[nodiscard]] hypervisor::EventChannelPort port() const noexcept { return port_; }
    // A client has connected and its stream has begun.
    [[nodiscard]] bool open() const noexcept { return open_; }
    [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
    [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }
    // When turn() is due even without an event.
    [[nodiscard]] sys::TimePoint deadline() const noexcept {
        return std::min(retry_at_, nudge_at_);
    }
    [[nodiscard]] bool leaving() const noexcept { return leave_until_ != sys::kNever; }

    const RelayId id;

  private:
    void hang_up() noexcept;
    void end(End reason, std::string detail) noexcept;
    void take(sys::UniqueFd local);
    void connect_target(sys::TimePoint now);
    bool prepare(sys::TimePoint now);
    bool deliver();
    bool collect();
    void decide(channel::PeerState peer);
    [[nodiscard]] bool peer_has_read_all();
    void notify_if_requested(std::uint8_t bits) noexcept;
    void nudge(sys::TimePoint now) noexcept;

    std::optional<channel::Channel> channel_;
    hypervisor::Doorbells& doorbells_;
    hypervisor::EventChannelPort port_;
    sys::Epoll& epoll_;
    std::optional<sys::Address> target_;  // server only
    sys::UniqueFd fd_;
    bool connecting_ = false;
    sys::TimePoint retry_at_ = sys::kNever;
    sys::TimePoint leave_until_ = sys::kNever;
    bool noticed_ = false;
    sys::TimePoint nudge_at_ = sys::kNever;
    sys::Duration nudge_after_{};
    bool open_ = false;
    bool readable_ = false;
    bool writable_ = false;
    bool hung_up_ = false;      // the local side closed both ways
    bool input_ended_ = false;  // the local side's end-of-file was read
    bool output_broken_ = false;
    std::optional<End> end_;
    std::string detail_;
    std::uint64_t bytes_sent_ = 0;
    std::uint64_t bytes_received_ = 0;
};

}  // namespace xsock::vchan

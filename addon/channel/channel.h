// One libxenvchan channel: control page, two rings, live and notify bytes, one event channel port.
// Server: we granted the pages; client: we mapped them. Set up on any thread, then used by one (a
// link's pump, or the relays').
//
// What the peer can write: every byte of the control page and of the ring it produces into.
#pragma once

#include <memory>
#include <span>

#include "abi/control_page.h"
#include "hypervisor/hypervisor.h"
#include "ring/consumer.h"
#include "ring/producer.h"

namespace xsock::channel {

enum class Role : std::uint8_t { kServer, kClient };

enum class PeerState : std::uint8_t {
    kNone,  // server: no client has connected yet
    kLive,
    kGone,     // ended; what is left in the ring may still be read
    kCorrupt,  // the live byte has an invalid value
};

// Which offers a client accepts.
enum class Offers : std::uint8_t {
    kOurs,   // usable only once; rings in pages of their own
    kStock,  // any libxenvchan server: small rings too, and a channel that an earlier client has
             // left
};

// The granted or mapped pages of a channel. Destroying it runs the unmap-notify and releases them.
class ChannelMemory {
  public:
    // Grants a control page and two rings of 2^order bytes to `peer`; the unmap-notify sends on
    // `port`. Throws std::system_error.
    static ChannelMemory share(hypervisor::GrantedMemory& memory, hypervisor::DomId peer,
                               std::uint16_t order, hypervisor::EventChannelPort port);
    // Maps the channel whose control page is `ring_ref` of `owner`. Throws std::system_error: EBUSY
    // if the offer has been used already, EPROTO if the page does not describe a channel.
    static ChannelMemory map(hypervisor::GrantedMemory& memory, hypervisor::DomId owner,
                             hypervisor::GrantRef ring_ref, hypervisor::EventChannelPort port,
                             Offers offers = Offers::kOurs);

    ChannelMemory(ChannelMemory&&) noexcept = default;
    ChannelMemory& operator=(ChannelMemory&&) = delete;
    // The rings are released before the control page, whose unmap-notify tells the peer.
    ~ChannelMemory() = default;

    [[nodiscard]] Role role() const noexcept { return role_; }
    [[nodiscard]] abi::ControlPage& page() const noexcept { return *page_; }
    // The ring that the server reads, and the one that the client reads.
    [[nodiscard]] std::span<std::byte> left() const noexcept { return left_; }
    [[nodiscard]] std::span<std::byte> right() const noexcept { return right_; }
    // Server only: the grant reference of the control page.
    [[nodiscard]] hypervisor::GrantRef ring_ref() const noexcept { return ring_ref_; }

    // The indices at the time of mapping; all 0 unless an earlier client used the channel.
    struct Start {
        std::uint32_t left_prod = 0;
        std::uint32_t left_cons = 0;
        std::uint32_t right_cons = 0;
    };
    [[nodiscard]] const Start& start() const noexcept { return start_; }

  private:
    explicit ChannelMemory(Role role) noexcept : role_(role) {}

    Role role_;
    Start start_;
    hypervisor::GrantRef ring_ref_ = 0;
    abi::ControlPage* page_ = nullptr;
    std::span<std::byte> left_;
    std::span<std::byte> right_;
    // Destroyed in reverse order.
    std::unique_ptr<hypervisor::SharedPages> shared_control_;
    std::unique_ptr<hypervisor::MappedPages> mapped_control_;
    std::unique_ptr<hypervisor::SharedPages> shared_left_, shared_right_;
    std::unique_ptr<hypervisor::MappedPages> mapped_left_, mapped_right_;
};

class Channel {
  public:
    explicit Channel(ChannelMemory memory) noexcept;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    [[nodiscard]] Role role() const noexcept { return memory_.role(); }
    [[nodiscard]] const ChannelMemory::Start& start() const noexcept { return memory_.start(); }
    [[nodiscard]] ring::Producer& producer() noexcept { return producer_; }
    [[nodiscard]] ring::Consumer& consumer() noexcept { return consumer_; }

    // Client: sets our live byte, and asks for notifications of writes.
    void mark_live() noexcept;
    // Clears our live byte: nothing more will be written.
    void mark_gone() noexcept { ring::store_release(own_live_, abi::kGone); }
    [[nodiscard]] PeerState peer_state() const noexcept;

    // Asks the peer to notify us when it has done what `bits` say (abi::kNotify...). The caller
    // checks the indices again afterwards: the peer may have acted before it saw the request.
    void request_notify(std::uint8_t bits) noexcept { ring::set_bits(peer_notify_, bits); }
    // Which of `bits` the peer wants to be notified of, now that we have acted; clears them.
    [[nodiscard]] std::uint8_t take_notify(std::uint8_t bits) noexcept {
        return ring::take_bits(own_notify_, bits);
    }
    // Whether the peer wants to be notified of `bits`; clears nothing.
    [[nodiscard]] bool wants_notify(std::uint8_t bits) const noexcept {
        return (ring::load_acquire(own_notify_) & bits) != 0;
    }
    // Sets bits again that take_notify() cleared without a notification.
    void restore_notify(std::uint8_t bits) noexcept { ring::set_bits(own_notify_, bits); }

  private:
    ChannelMemory memory_;
    std::uint8_t& own_live_;
    std::uint8_t& peer_live_;
    std::uint8_t& own_notify_;  // the peer sets bits, we test them when we act
    std::uint8_t& peer_notify_;
    ring::Producer producer_;
    ring::Consumer consumer_;
};

}  // namespace xsock::channel

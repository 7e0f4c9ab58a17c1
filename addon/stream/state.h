// The state of one end of a stream, and the only function that changes it. Pure: knows no socket,
// thread or ring, and no byte passes through it. The tables below are the diagrams of
// docs/protocol.md, section 6; a test compares them.
//
// Three parts change independently. The phase is how far the stream has come. The sending half is
// about bytes from our program to the peer, the receiving half about those from the peer to our
// program. Each half can be ended by the side that writes it, and stopped by the side that reads
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/frame.h"

namespace xsock::stream {

enum class Phase : std::uint8_t {
    kUnconnected,  // the peer opened it; our target has not been reached yet
    kConnecting,   // the peer opened it; a TCP connect is under way
    kUnanswered,   // we opened it; the peer has sent nothing yet
    kOpen,
    kDone,  // over here; at most a REFUSE or RESET is left to send
};

enum class Sending : std::uint8_t {
    kOpen,
    kStopped,        // the peer takes no more: what the program sends is discarded
    kEnding,         // the program sends no more; SHUTDOWN is due
    kEndingStopped,  // ... and the peer takes no more
    kEnded,          // SHUTDOWN with kShutdownSend has been sent
    kEndedStopped,   // ... and the peer takes no more
};

enum class Receiving : std::uint8_t {
    kOpen,
    kEnding,         // the peer sends no more; bytes still wait for the program
    kEnded,          // the program has got all of them, and its end-of-file
    kStopping,       // the program takes no more; SHUTDOWN is due
    kStopped,        // SHUTDOWN with kShutdownReceive has been sent
    kStoppingEnded,  // as kStopping, and the peer sends no more
    kStoppedEnded,   // as kStopped, and the peer sends no more
};

enum class Event : std::uint8_t {
    kConnectStarted,  // TCP
    kConnected,       // our target has accepted the connection
    kAnswered,        // the first frame of the peer, unless it is REFUSE or RESET
    kProgramEnded,    // end-of-file of our program
    kProgramStopped,  // our program takes no more: it closed, or writing to it fails
    kDelivered,       // our program has got all bytes that came before the peer's end
    kShutdownSent,    // SHUTDOWN with all flags that were due is in the ring
    kPeerEnded,       // SHUTDOWN with kShutdownSend came
    kPeerStopped,     // SHUTDOWN with kShutdownReceive came
    kRefuse,          // we refuse it
    kReset,           // we reset it
    kPeerRefused,     // REFUSE came
    kPeerReset,       // RESET came
    kFinished,        // both halves have ended
    kLinkDown,
};

inline constexpr std::size_t kPhases = 5;
inline constexpr std::size_t kSendings = 6;
inline constexpr std::size_t kReceivings = 7;
inline constexpr std::size_t kEvents = 15;

struct State {
    Phase phase;
    Sending sending = Sending::kOpen;
    Receiving receiving = Receiving::kOpen;
    friend constexpr bool operator==(const State&, const State&) = default;
};
inline constexpr State kOpenedByUs{Phase::kUnanswered};
inline constexpr State kOpenedByPeer{Phase::kUnconnected};

// The frame, other than DATA, CREDIT and SHUTDOWN, that starts, answers or ends a stream.
enum class Notice : std::uint8_t { kNone, kOpen, kAccept, kRefuse, kReset };

template <typename Part>
struct Transition {
    Part from;
    Event event;
    Part to;
};

inline constexpr Transition<Phase> kPhaseTransitions[] = {
    {Phase::kUnconnected, Event::kConnectStarted, Phase::kConnecting},
    {Phase::kUnconnected, Event::kConnected, Phase::kOpen},
    {Phase::kUnconnected, Event::kRefuse, Phase::kDone},
    {Phase::kConnecting, Event::kConnected, Phase::kOpen},
    {Phase::kConnecting, Event::kRefuse, Phase::kDone},
    {Phase::kUnanswered, Event::kAnswered, Phase::kOpen},
    {Phase::kUnanswered, Event::kPeerRefused, Phase::kDone},
    {Phase::kUnanswered, Event::kFinished, Phase::kDone},
    {Phase::kOpen, Event::kPeerRefused, Phase::kDone},  // it accepted, and refuses all the same
    {Phase::kOpen, Event::kFinished, Phase::kDone},
    {Phase::kUnconnected, Event::kReset, Phase::kDone},
    {Phase::kConnecting, Event::kReset, Phase::kDone},
    {Phase::kUnanswered, Event::kReset, Phase::kDone},
    {Phase::kOpen, Event::kReset, Phase::kDone},
    {Phase::kUnconnected, Event::kPeerReset, Phase::kDone},
    {Phase::kConnecting, Event::kPeerReset, Phase::kDone},
    {Phase::kUnanswered, Event::kPeerReset, Phase::kDone},
    {Phase::kOpen, Event::kPeerReset, Phase::kDone},
    {Phase::kUnconnected, Event::kLinkDown, Phase::kDone},
    {Phase::kConnecting, Event::kLinkDown, Phase::kDone},
    {Phase::kUnanswered, Event::kLinkDown, Phase::kDone},
    {Phase::kOpen, Event::kLinkDown, Phase::kDone},
};

inline constexpr Transition<Sending> kSendingTransitions[] = {
    {Sending::kOpen, Event::kProgramEnded, Sending::kEnding},
    {Sending::kOpen, Event::kPeerStopped, Sending::kStopped},
    {Sending::kStopped, Event::kProgramEnded, Sending::kEndingStopped},
    {Sending::kEnding, Event::kShutdownSent, Sending::kEnded},
    {Sending::kEnding, Event::kPeerStopped, Sending::kEndingStopped},
    {Sending::kEndingStopped, Event::kShutdownSent, Sending::kEndedStopped},
    {Sending::kEnded, Event::kPeerStopped, Sending::kEndedStopped},
};

inline constexpr Transition<Receiving> kReceivingTransitions[] = {
    {Receiving::kOpen, Event::kPeerEnded, Receiving::kEnding},
    {Receiving::kOpen, Event::kProgramStopped, Receiving::kStopping},
    {Receiving::kEnding, Event::kDelivered, Receiving::kEnded},
    {Receiving::kEnding, Event::kProgramStopped, Receiving::kStoppingEnded},
    {Receiving::kEnded, Event::kProgramStopped, Receiving::kStoppingEnded},
    {Receiving::kStopping, Event::kShutdownSent, Receiving::kStopped},
    {Receiving::kStopping, Event::kPeerEnded, Receiving::kStoppingEnded},
    {Receiving::kStopped, Event::kPeerEnded, Receiving::kStoppedEnded},
    {Receiving::kStoppingEnded, Event::kShutdownSent, Receiving::kStoppedEnded},
};

namespace detail {

template <typename Part, std::size_t Parts>
using Table = std::array<std::array<Part, kEvents>, Parts>;

// What no row names changes nothing.
template <std::size_t Parts, typename Part, std::size_t Rows>
constexpr Table<Part, Parts> table_of(const Transition<Part> (&rows)[Rows]) {
    Table<Part, Parts> table{};
    for (std::size_t part = 0; part < Parts; ++part) {
        table[part].fill(static_cast<Part>(part));
    }
    for (const Transition<Part>& row : rows) {
        table[static_cast<std::size_t>(row.from)][static_cast<std::size_t>(row.event)] = row.to;
    }
    return table;
}

inline constexpr auto kPhase = table_of<kPhases>(kPhaseTransitions);
inline constexpr auto kSending = table_of<kSendings>(kSendingTransitions);
inline constexpr auto kReceiving = table_of<kReceivings>(kReceivingTransitions);

}  // namespace detail

struct Step {
    State state;
    Notice notice = Notice::kNone;  // is to be sent because of the event
};

// Events that mean nothing in a state leave it as it is: the peer may repeat a SHUTDOWN, and what
// crossed with the end of a stream is ignored.
[[nodiscard]] constexpr Step step(State state, Event event) noexcept {
    if (state.phase == Phase::kDone) {
        return {state};
    }
    const auto at = static_cast<std::size_t>(event);
    const State next{detail::kPhase[static_cast<std::size_t>(state.phase)][at],
                     detail::kSending[static_cast<std::size_t>(state.sending)][at],
                     detail::kReceiving[static_cast<std::size_t>(state.receiving)][at]};
    if (next.phase == state.phase) {
        return {next};
    }
    switch (event) {
        case Event::kConnected:
            return {next, Notice::kAccept};
        case Event::kRefuse:
            return {next, Notice::kRefuse};
        case Event::kReset:
            return {next, Notice::kReset};
        default:
            return {next};
    }
}

// Whether our program and the stream exchange bytes.
[[nodiscard]] constexpr bool is_open(const State& state) noexcept {
    return state.phase == Phase::kOpen || state.phase == Phase::kUnanswered;
}

// Our program sends no more.
[[nodiscard]] constexpr bool program_ended(Sending half) noexcept {
    return half >= Sending::kEnding;
}
[[nodiscard]] constexpr bool peer_stopped(Sending half) noexcept {
    return half == Sending::kStopped || half == Sending::kEndingStopped ||
           half == Sending::kEndedStopped;
}
// Our program takes no more: what comes is dropped.
[[nodiscard]] constexpr bool program_stopped(Receiving half) noexcept {
    return half >= Receiving::kStopping;
}
// DATA from now on is a fault of the peer.
[[nodiscard]] constexpr bool peer_ended(Receiving half) noexcept {
    return half == Receiving::kEnding || half == Receiving::kEnded ||
           half == Receiving::kStoppingEnded || half == Receiving::kStoppedEnded;
}
// Nothing that the peer sent, its end-of-file included, is missing to our program.
[[nodiscard]] constexpr bool delivered(Receiving half) noexcept {
    return half >= Receiving::kEnded;
}

// The flags that SHUTDOWN has, if it is sent now: those of earlier ones too.
[[nodiscard]] constexpr std::uint8_t shutdown_flags(const State& state) noexcept {
    return static_cast<std::uint8_t>(
        (program_ended(state.sending) ? abi::kShutdownSend : 0) |
        (program_stopped(state.receiving) ? abi::kShutdownReceive : 0));
}
[[nodiscard]] constexpr bool shutdown_due(const State& state) noexcept {
    return state.phase != Phase::kDone &&
           (state.sending == Sending::kEnding || state.sending == Sending::kEndingStopped ||
            state.receiving == Receiving::kStopping ||
            state.receiving == Receiving::kStoppingEnded);
}

// Both halves have ended, and the peer knows that of ours or has no use for it: it takes and sends
// no more itself.
[[nodiscard]] constexpr bool both_ended(const State& state) noexcept {
    if (!delivered(state.receiving)) {
        return false;
    }
    if (peer_ended(state.receiving) && peer_stopped(state.sending)) {
        return true;
    }
    return !shutdown_due(state) && (program_ended(state.sending) || peer_stopped(state.sending));
}

// What our program still sends is read and discarded, so that a program which writes before it
// reads does not block for ever.
[[nodiscard]] constexpr bool discards_input(const State& state) noexcept {
    return is_open(state) && state.sending == Sending::kStopped && !delivered(state.receiving);
}

}  // namespace xsock::stream

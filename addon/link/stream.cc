#include "link/stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

namespace xsock::link {

namespace {

// The send buffer of a local socket once it has been full: fewer bytes are then copied to
// `pending`.
constexpr int kSendBuffer = 1 << 20;
// Bytes of a program that stop_input() discards at most in a turn.
constexpr std::size_t kDiscardPerTurn = 1 << 20;

}  // namespace

void Stream::on_ready(std::uint32_t events) {
    if (over()) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        readable = true;
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        closed = Closed::kBoth;
    } else if ((events & EPOLLRDHUP) != 0 && closed == Closed::kNothing) {
        closed = Closed::kWriting;
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        writable = true;
    }
    owner_->on_stream_ready(*this);
}

std::size_t Stream::flush() {
    std::size_t total = 0;
    while (is_open(state) && writable && !pending.empty()) {
        iovec part = pending.front();
        const sys::TransferResult sent = sys::send(fd.get(), std::span(&part, 1));
        if (sent.outcome == sys::Transfer::kBytes) {
            total += sent.bytes;
            pending.pop(sent.bytes);
        } else if (sent.outcome == sys::Transfer::kBroken) {
            note_end_of_output();
        } else {
            note_output_blocked();
        }
    }
    if (is_open(state) && state.receiving == stream::Receiving::kEnding && pending.empty()) {
        // Not if the program has closed both ways, or close() follows at once with the same effect.
        if (tcp() || !(hung_up() || peer_stopped(state.sending))) {
            ::shutdown(fd.get(), SHUT_WR);
        }
        apply(stream::Event::kDelivered);
    }
    return total;
}

std::size_t Stream::deliver(const ring::Segments& parts) {
    if (!is_open(state) || !writable || !pending.empty()) {
        return 0;
    }
    ring::Segments copy = parts;
    const sys::TransferResult sent = sys::send(fd.get(), std::span(copy.parts).first(copy.count));
    if (sent.outcome == sys::Transfer::kBroken) {
        note_end_of_output();
        return 0;
    }
    if (sent.outcome != sys::Transfer::kBytes) {
        note_output_blocked();
        return 0;
    }
    if (sent.bytes < parts.size()) {
        if (send_buffer_enlarged) {
            note_output_blocked();
        } else {
            // The socket is writable again: not blocked.
            send_buffer_enlarged = true;
            sys::enlarge_send_buffer(fd.get(), kSendBuffer);
        }
    }
    return sent.bytes;
}

void Stream::note_output_blocked() {
    writable = false;
    if (!output_watched) {
        output_watched = true;
        owner_->on_output_blocked(*this);
    }
}

void Stream::note_end_of_input() {
    readable = false;
    apply(stream::Event::kProgramEnded);
    if (hung_up()) {
        note_end_of_output();
    }
}

void Stream::note_end_of_output() {
    writable = false;
    pending.clear();
    apply(stream::Event::kProgramStopped);
}

std::int32_t Stream::cut_off_program() const noexcept {
    const bool has_all = delivered(state.receiving) && peer_ended(state.receiving);
    const bool told = direction == Direction::kIncoming || tcp() || has_all || !fd.valid();
    return told ? 0 : sys::program_of(fd.get());
}

void Stream::discard_held() noexcept {
    while (held > 0) {
        const sys::TransferResult got = sys::discard(fd.get(), held);
        held -= got.outcome == sys::Transfer::kBytes ? static_cast<std::uint32_t>(got.bytes) : held;
    }
}

bool Stream::stop_input() {
    if (!tcp()) {
        ::shutdown(fd.get(), SHUT_RD);
    }
    for (std::size_t dropped = 0; dropped < kDiscardPerTurn;) {
        const sys::TransferResult got = sys::discard(fd.get(), kDiscardPerTurn - dropped);
        if (got.outcome == sys::Transfer::kWouldBlock) {
            return true;
        }
        if (got.outcome != sys::Transfer::kBytes) {
            if (got.outcome == sys::Transfer::kBroken) {
                note_end_of_output();
            }
            note_end_of_input();
            return true;
        }
        dropped += got.bytes;
    }
    return false;
}

}  // namespace xsock::link

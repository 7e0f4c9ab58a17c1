#include "link/stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "abi/frame.h"

namespace xsock::link {

namespace {

// The send buffer of a local socket once it has been full: fewer bytes are then copied to
// `pending`.
constexpr int kSendBuffer = 1 << 20;
// Bytes of a program that stop_input() discards at most in a turn.
constexpr std::size_t kDiscardPerTurn = 1 << 20;

}  // namespace

void Stream::on_ready(std::uint32_t events) {
    if (stage == Stage::kDone) {
        return;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        readable = true;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        input_ending = true;
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        hung_up = true;
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        writable = true;
    }
    owner_->on_stream_ready(*this);
}

std::size_t Stream::flush() {
    std::size_t total = 0;
    while (stage == Stage::kOpen && writable && !write_broken && !pending.empty()) {
        iovec part = pending.front();
        const sys::TransferResult sent = sys::send(fd.get(), std::span(&part, 1));
        if (sent.outcome == sys::Transfer::kBytes) {
            total += sent.bytes;
            pending.pop(sent.bytes);
        } else {
            write_broken = sent.outcome == sys::Transfer::kBroken;
            note_output_blocked();
        }
    }
    if (write_broken) {
        pending.clear();
    }
    if (stage == Stage::kOpen && peer_ended && pending.empty() && !write_shut && !write_broken) {
        // Not if the program has closed both ways, or close() follows at once with the same effect.
        if (tcp() || !(hung_up || peer_stopped)) {
            ::shutdown(fd.get(), SHUT_WR);
        }
        write_shut = true;
    }
    return total;
}

std::size_t Stream::deliver(const ring::Segments& parts) {
    if (stage != Stage::kOpen || !writable || write_broken || !pending.empty()) {
        return 0;
    }
    ring::Segments copy = parts;
    const sys::TransferResult sent = sys::send(fd.get(), std::span(copy.parts).first(copy.count));
    if (sent.outcome != sys::Transfer::kBytes) {
        write_broken = sent.outcome == sys::Transfer::kBroken;
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
    if (!output_watched && !write_broken) {
        output_watched = true;
        owner_->on_output_blocked(*this);
    }
}

void Stream::note_end_of_input() {
    end_seen = true;
    read_done = true;
    readable = false;
    shutdown_wanted |= abi::kShutdownSend;
    if (hung_up) {
        shutdown_wanted |= abi::kShutdownReceive;
    }
}

std::int32_t Stream::cut_off_program() const noexcept {
    const bool told = direction == Direction::kIncoming || tcp() || write_shut || !fd.valid();
    return told ? 0 : sys::program_of(fd.get());
}

void Stream::discard_held() noexcept {
    unanswered = false;
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
            write_broken = write_broken || got.outcome == sys::Transfer::kBroken;
            note_end_of_input();
            return true;
        }
        dropped += got.bytes;
    }
    return false;
}

}  // namespace xsock::link

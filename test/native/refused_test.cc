// What a program sees when the stream that its connection became is refused or cut: ECONNRESET
// where the kernel gives it to the other end of a UNIX socket, and never a byte twice or not at
// all.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>

#include "peer.h"
#include "programs.h"
#include "tap.h"

namespace {

using namespace by_hand;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);

// Programs of domain 0 connect to the listener at `path`; domain 3, which has the service, is
// played by the test.
struct Refusing : Stage {
    Refusing() {
        pump->listen(link, {"svc", 0}, sys::SocketKind::kUnix,
                     sys::listen_unix(path, 0600, kSame, kSame));
        CHECK(peer->hello());
        CHECK(Peer::until([this] { return pump->links().at(0).lanes == 1; }));
    }
    // A program that has connected; sets `stream` to its stream's id.
    sys::UniqueFd connect() {
        sys::UniqueFd fd = dial(path);
        const auto open = peer->receive(FrameType::kOpen);
        CHECK(open);
        stream = open ? open->stream : 0;
        return fd;
    }
    // The bytes of the next DATA.
    std::string data() {
        std::string payload;
        for (auto header = peer->receive(&payload); header; header = peer->receive(&payload)) {
            if (header->type == FrameType::kData) {
                return payload;
            }
        }
        return "(none)";
    }
    bool refuse() {
        return peer->send(FrameType::kRefuse, stream, "", 0,
                          static_cast<std::uint32_t>(abi::RefuseReason::kTargetUnavailable));
    }
    bool reset() {
        return peer->send(FrameType::kReset, stream, "", 0,
                          static_cast<std::uint32_t>(abi::ResetReason::kLocalReset));
    }

    std::string path = root.path + "/svc";
    std::uint32_t stream = 0;
};

void write_text(const sys::UniqueFd& fd, const std::string& text) {
    write_all(fd.get(), text.data(), text.size());
}

// How reading ends: 0 for an end-of-file, else the errno.
int end_of(const sys::UniqueFd& fd) {
    char buffer[4096];
    for (pollfd ready{fd.get(), POLLIN, 0}; ::poll(&ready, 1, tap::kDeadlineMs) == 1;
         ready.revents = 0) {
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got <= 0) {
            return got == 0 ? 0 : errno;
        }
    }
    return ETIMEDOUT;
}

void refused_with_bytes_sent() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    write_text(program, "a request");
    CHECK(fixture.data() == "a request");
    CHECK(fixture.refuse());
    CHECK(end_of(program) == ECONNRESET);
}

void refused_after_a_half_close() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    write_text(program, "a request");
    ::shutdown(program.get(), SHUT_WR);
    CHECK(fixture.data() == "a request");
    CHECK(fixture.refuse());
    CHECK(end_of(program) == ECONNRESET);
}

// There are no bytes that could be left unread.
void refused_and_it_sends_nothing() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    CHECK(fixture.refuse());
    CHECK(end_of(program) == 0);
}

// It was about to send: it must not die of SIGPIPE.
void refused_before_it_sends() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    CHECK(fixture.refuse());
    CHECK(Peer::until([&] { return fixture.pump->streams().empty(); }));
    CHECK(::send(program.get(), "late", 4, MSG_NOSIGNAL) == 4);
    CHECK(end_of(program) == ECONNRESET);
}

void refused_without_a_stream() {
    Refusing fixture;
    fixture.pump->set_limits({.streams_per_peer = 0}, 1 << 20);
    const sys::UniqueFd program = dial(fixture.path);
    CHECK(Peer::until([&] { return fixture.pump->links().at(0).counters.streams_refused == 1; }));
    CHECK(::send(program.get(), "late", 4, MSG_NOSIGNAL) == 4);
    CHECK(end_of(program) == ECONNRESET);
}

void bytes_from_before_and_after_the_answer() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    write_text(program, "one,");
    CHECK(fixture.data() == "one,");
    write_text(program, "two,");
    ::shutdown(program.get(), SHUT_WR);
    CHECK(fixture.peer->send(FrameType::kAccept, fixture.stream));
    CHECK(fixture.data() == "two,");
    const auto end = fixture.peer->receive(FrameType::kShutdown);
    CHECK(end && end->flags == abi::kShutdownSend);
    CHECK(fixture.pump->streams().at(0).bytes_sent == 8);
}

// A peer that sends DATA without ACCEPT has answered too.
void data_is_an_answer() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    write_text(program, "one");
    CHECK(fixture.data() == "one");
    write_text(program, "two");
    CHECK(fixture.peer->send(FrameType::kData, fixture.stream, "hello"));
    CHECK(fixture.data() == "two");
}

// Held bytes still occupy the writer's send buffer.
void a_small_send_buffer_is_free_after_the_answer() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    const int small = 4608;
    CHECK(::setsockopt(program.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    std::string sent;
    const std::string chunk(500, 'x');
    while (::send(program.get(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0) {
        sent += chunk;
    }
    CHECK(!sent.empty());
    CHECK(fixture.peer->send(FrameType::kAccept, fixture.stream));
    std::string got;
    while (got.size() < sent.size()) {
        const std::string some = fixture.data();
        got += some;
        if (some == "(none)") {
            break;
        }
    }
    CHECK(got == sent);
    pollfd room{program.get(), POLLOUT, 0};
    CHECK(::poll(&room, 1, tap::kDeadlineMs) == 1 && (room.revents & POLLOUT) != 0);
}

void a_program_that_leaves_before_the_answer() {
    Refusing fixture;
    sys::UniqueFd program = fixture.connect();
    write_text(program, "one,");
    CHECK(fixture.data() == "one,");
    write_text(program, "two,");
    program.reset();
    CHECK(fixture.data() == "two,");
    const auto end = fixture.peer->receive(FrameType::kShutdown);
    CHECK(end && end->flags == (abi::kShutdownSend | abi::kShutdownReceive));
    CHECK(Peer::until([&] { return fixture.pump->streams().empty(); }));
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void descriptors_before_the_answer() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    const std::size_t before = open_descriptors();
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    const int handed_over = program.get();
    std::memcpy(CMSG_DATA(passed), &handed_over, sizeof handed_over);
    CHECK(::sendmsg(program.get(), &message, 0) == 1);
    const auto reset = fixture.peer->receive(FrameType::kReset);
    CHECK(reset && reset->argument == static_cast<std::uint32_t>(abi::ResetReason::kFdPassing));
    CHECK(end_of(program) == ECONNRESET);
    CHECK(open_descriptors() == before - 1);  // our end of the program's connection
}

void a_link_that_goes_down_before_the_answer() {
    Refusing fixture;
    const sys::UniqueFd program = fixture.connect();
    write_text(program, "a request");
    CHECK(fixture.data() == "a request");
    fixture.pump->close_link(fixture.link, sys::Duration::zero());
    CHECK(end_of(program) == ECONNRESET);
}

// After the answer it depends on whether the program has sent bytes that were not read yet.
void cut_after_the_answer() {
    Refusing fixture;
    const sys::UniqueFd quiet = fixture.connect();
    CHECK(fixture.peer->send(FrameType::kAccept, fixture.stream));
    CHECK(fixture.peer->send(FrameType::kData, fixture.stream, "half an ans"));
    CHECK(fixture.reset());
    CHECK(end_of(quiet) == 0);

    const sys::UniqueFd busy = fixture.connect();
    CHECK(fixture.peer->send(FrameType::kAccept, fixture.stream));
    // The ring fills up, since it is not read.
    const std::string chunk(1000, 'x');
    CHECK(Peer::until([&] {
        while (::send(busy.get(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0) {
        }
        return fixture.peer->used() > kRing / 2;
    }));
    CHECK(fixture.reset());
    CHECK(end_of(busy) == ECONNRESET);
}

}  // namespace

int main() {
    tap::test("refused: a program that has sent something sees ECONNRESET",
              refused_with_bytes_sent);
    tap::test("refused: also if it has ended its side", refused_after_a_half_close);
    tap::test("refused: one that sends nothing sees an end-of-file", refused_and_it_sends_nothing);
    tap::test("refused: one that was about to send something sees ECONNRESET",
              refused_before_it_sends);
    tap::test("refused by a limit of this domain", refused_without_a_stream);
    tap::test("what is sent before and after the answer arrives once",
              bytes_from_before_and_after_the_answer);
    tap::test("a peer that sends DATA has answered", data_is_an_answer);
    tap::test("a small send buffer is free again after the answer",
              a_small_send_buffer_is_free_after_the_answer);
    tap::test("a program that leaves before the answer", a_program_that_leaves_before_the_answer);
    tap::test("descriptors that are passed before the answer are not kept",
              descriptors_before_the_answer);
    tap::test("a link that goes down before the answer", a_link_that_goes_down_before_the_answer);
    tap::test("reset after the answer: ECONNRESET if it has sent bytes that were not read",
              cut_after_the_answer);
    return tap::done();
}

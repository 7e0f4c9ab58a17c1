// What a program wrote before it closed reaches a TCP target, whatever the target sends meanwhile;
// and the number of sockets that wait for that is bounded.
#include "pump/linger.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor_handles.h"
#include "programs.h"
#include "pump/pumps.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;
using std::chrono::seconds;

constexpr auto kSame = static_cast<std::uint32_t>(-1);

bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

std::uint16_t port_of(int fd) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
}

// A link of the domain with itself; the target of `svc` is played by the test.
struct Stage {
    explicit Stage(bool tcp = true)
        : target(tcp ? sys::listen_tcp("127.0.0.1", 0)
                     : sys::listen_unix(dir.path + "/target", 0600, kSame, kSame)) {
        const sys::Address address =
            tcp ? sys::Address{sys::SocketKind::kTcp, "127.0.0.1", port_of(target.get())}
                : sys::Address{sys::SocketKind::kUnix, dir.path + "/target", 0};
        pump = std::make_unique<pump::Pumps>(
            hypervisor_handles(1, hypervisor::make_self_hypervisor), pump::PumpOptions{}, [] {});
        const link::LinkId link = pump->connect_self(18);
        pump->set_exports(link, std::make_shared<const link::ExportTable>(
                                    std::vector<link::ExportEntry>{{"svc", 0, true, address}}));
        pump->listen(link, {"svc", 0}, sys::SocketKind::kUnix,
                     sys::listen_unix(path, 0600, kSame, kSame));
    }
    ~Stage() { pump->stop(); }
    // The target's end of the stream that a program has opened.
    sys::UniqueFd accept() {
        pollfd waiting{target.get(), POLLIN, 0};
        CHECK(::poll(&waiting, 1, tap::kDeadlineMs) == 1);
        return sys::UniqueFd(::accept4(target.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

    TempDir dir;
    std::string path = dir.path + "/svc";
    sys::UniqueFd target;
    std::unique_ptr<pump::Pumps> pump;
};

// Writes until the other end reads no more.
std::size_t fill(int fd) {
    const Bytes chunk(1 << 16, 'g');
    std::size_t total = 0;
    for (pollfd ready{fd, POLLOUT, 0}; ::poll(&ready, 1, 200) == 1; ready.revents = 0) {
        const ssize_t sent = ::send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0) {
            break;
        }
        total += static_cast<std::size_t>(sent);
    }
    return total;
}

// The target has sent bytes that are not read; it reads only after the stream has ended.
void a_target_that_spoke_first_gets_all() {
    Stage stage;
    constexpr std::size_t kLength = 400'000;
    const Bytes sent = random_bytes(kLength, 1);
    sys::UniqueFd client = dial(stage.path);
    const sys::UniqueFd server = stage.accept();
    CHECK(fill(server.get()) > 0);
    write_all(client.get(), sent.data(), sent.size());
    client.reset();
    CHECK(until([&] { return stage.pump->streams().empty(); }));
    bool ok = true;
    const Bytes got = read_all(server.get(), ok);
    CHECK(ok);
    CHECK(got == sent);
}

// The target does not read before all its own bytes are sent: that the program is gone must not
// block it.
void a_target_that_writes_before_it_reads(bool tcp) {
    Stage stage(tcp);
    sys::UniqueFd client = dial(stage.path);
    const sys::UniqueFd server = stage.accept();
    CHECK(fill(server.get()) > 0);
    const std::size_t sent = fill(client.get());
    CHECK(sent > 0);
    client.reset();
    const Bytes chunk(1 << 16, 'g');
    std::size_t written = 0;
    for (pollfd ready{server.get(), POLLOUT, 0}; written < (std::size_t{16} << 20);
         ready.revents = 0) {
        CHECK(::poll(&ready, 1, tap::kDeadlineMs) == 1);
        const ssize_t some =
            ::send(server.get(), chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (some <= 0) {
            CHECK(errno == EPIPE);
            break;
        }
        written += static_cast<std::size_t>(some);
    }
    bool ok = true;
    CHECK(read_all(server.get(), ok).size() == sent);
    CHECK(ok);
    CHECK(until([&] { return stage.pump->streams().empty(); }));
}

struct Ends {
    Ends() {
        std::array<int, 2> fds{};
        sys::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()),
                   "socketpair");
        ours = sys::UniqueFd(fds[0]);
        theirs = sys::UniqueFd(fds[1]);
    }
    // The other end is closed by now.
    [[nodiscard]] bool closed() const {
        return ::send(theirs.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
    }
    sys::UniqueFd ours;
    sys::UniqueFd theirs;
};

void lingering_sockets_are_bounded_per_peer() {
    sys::Epoll epoll;
    pump::LingerSet lingering(epoll);
    const sys::TimePoint now = sys::Clock::now();
    constexpr std::size_t kSurplus = 3;
    Ends of_another;
    lingering.add(std::move(of_another.ours), 2, now);
    std::vector<Ends> ends(pump::LingerSet::kMaxPerPeer + kSurplus);
    for (Ends& one : ends) {
        lingering.add(std::move(one.ours), 1, now);
    }
    lingering.sweep(now);
    std::size_t closed = 0;
    for (const Ends& one : ends) {
        closed += one.closed() ? 1 : 0;
    }
    CHECK(closed == kSurplus);
    CHECK(ends[kSurplus - 1].closed() && !ends[kSurplus].closed());  // the oldest
    CHECK(!of_another.closed());
}

void time_is_up_unless_bytes_still_go() {
    sys::Epoll epoll;
    pump::LingerSet lingering(epoll);
    const sys::TimePoint start = sys::Clock::now();
    Ends idle;
    Ends busy;
    CHECK(fill(busy.ours.get()) > 0);
    lingering.add(std::move(idle.ours), 1, start);
    lingering.add(std::move(busy.ours), 1, start);
    CHECK(lingering.deadline() == start + pump::LingerSet::kDeliverTime);
    lingering.sweep(start + pump::LingerSet::kDeliverTime / 2);
    CHECK(!idle.closed() && !busy.closed());

    Bytes some(100'000);
    CHECK(::recv(busy.theirs.get(), some.data(), some.size(), 0) > 0);
    sys::TimePoint now = lingering.deadline();
    lingering.sweep(now);
    CHECK(idle.closed() && !busy.closed());
    CHECK(lingering.deadline() == now + pump::LingerSet::kDeliverTime);
    now = lingering.deadline();
    lingering.sweep(now);
    CHECK(busy.closed());
    CHECK(lingering.deadline() == sys::kNever);
}

void refused_until_the_first_bytes() {
    sys::Epoll epoll;
    pump::LingerSet refused(epoll, pump::LingerSet::Until::kFirstBytes);
    const sys::TimePoint start = sys::Clock::now();
    std::vector<Ends> ends(pump::LingerSet::kMaxPerPeer + 1);
    for (Ends& one : ends) {
        refused.add(std::move(one.ours), 1, start);
    }
    CHECK(refused.deadline() == start + pump::LingerSet::kFirstBytesTime);
    CHECK(ends[0].closed());  // the oldest
    refused.sweep(start);
    char byte = 0;
    CHECK(::recv(ends[1].theirs.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    refused.sweep(start + pump::LingerSet::kFirstBytesTime);
    CHECK(::recv(ends[1].theirs.get(), &byte, 1, MSG_DONTWAIT) == 0);
    CHECK(refused.deadline() == sys::kNever);
}

void what_ends_is_closed_at_once() {
    sys::Epoll epoll;
    pump::LingerSet lingering(epoll);
    const sys::TimePoint now = sys::Clock::now();
    Ends ends;
    lingering.add(std::move(ends.ours), 1, now);
    write_all(ends.theirs.get(), "late", 4);
    ::shutdown(ends.theirs.get(), SHUT_WR);
    std::array<epoll_event, 4> events;
    for (std::size_t count = epoll.wait(events, 0); count > 0; count = epoll.wait(events, 0)) {
        reinterpret_cast<sys::Pollable*>(events[0].data.u64)->on_ready(events[0].events);
        lingering.sweep(now);
    }
    CHECK(lingering.deadline() == sys::kNever);
}

}  // namespace

int main() {
    tap::test("a TCP target that spoke first, unread, gets all that was written",
              a_target_that_spoke_first_gets_all);
    tap::test("a TCP target that writes before it reads",
              [] { a_target_that_writes_before_it_reads(true); });
    tap::test("a UNIX target that writes before it reads",
              [] { a_target_that_writes_before_it_reads(false); });
    tap::test("the sockets that linger are bounded per peer",
              lingering_sockets_are_bounded_per_peer);
    tap::test("a socket lingers for a limited time, and longer while bytes still go out",
              time_is_up_unless_bytes_still_go);
    tap::test("a refused program's socket waits for its first bytes, bounded in time and number",
              refused_until_the_first_bytes);
    tap::test("a socket whose other end has ended is closed at once", what_ends_is_closed_at_once);
    return tap::done();
}

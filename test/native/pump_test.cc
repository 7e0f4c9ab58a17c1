// The whole data plane in one process: local program -> listener -> link -> target, over a domain's
// link with itself. Runs under the sanitizers, which the same paths inside Node cannot.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor_handles.h"
#include "programs.h"
#include "pump/pumps.h"
#include "sys/socket.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;

// A pump with a link of the domain to itself; `target` is the target of its exports.
struct Bench {
    explicit Bench(std::uint16_t order = 18, link::Limits limits = {},
                   std::size_t memory = 512 << 20) {
        pump::PumpOptions options;
        options.limits = limits;
        options.memory_total = memory;
        pump = std::make_unique<pump::Pumps>(
            hypervisor_handles(1, hypervisor::make_self_hypervisor), options, [this] {
                const std::lock_guard lock(mutex);
                woken = true;
                condition.notify_all();
            });
        link = pump->connect_self(order);
        std::vector<link::ExportEntry> entries(3);
        entries[0] = {"svc", 80, true, {sys::SocketKind::kUnix, target, 0}};
        entries[1] = {"forbidden", 0, false, {sys::SocketKind::kUnix, target, 0}};
        entries[2] = {"absent", 0, true, {sys::SocketKind::kUnix, dir.path + "/nobody", 0}};
        pump->set_exports(link, std::make_shared<const link::ExportTable>(entries));
        expose("svc", path);
    }
    ~Bench() { pump->stop(); }

    void expose(const std::string& service, const std::string& at) {
        constexpr auto kSame = static_cast<std::uint32_t>(-1);
        pump->listen(link, {service, 0}, sys::SocketKind::kUnix,
                     sys::listen_unix(at, 0600, kSame, kSame));
    }
    // Waits for an event that `match` accepts.
    bool wait_for(const std::function<bool(const pump::Event&)>& match) {
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        for (;;) {
            for (const pump::Event& event : pump->take_events()) {
                if (match(event)) {
                    return true;
                }
            }
            std::unique_lock lock(mutex);
            if (!condition.wait_until(lock, deadline, [this] { return woken; })) {
                return false;
            }
            woken = false;
        }
    }
    bool wait_refused(link::Refusal reason) {
        return wait_for([reason](const pump::Event& event) {
            const auto* refused = std::get_if<link::StreamRefused>(&event);
            return refused != nullptr && refused->reason == reason &&
                   refused->direction == link::Direction::kOutgoing;
        });
    }

    TempDir dir;
    std::string target = dir.path + "/target";
    std::string path = dir.path + "/svc";
    std::mutex mutex;
    std::condition_variable condition;
    bool woken = false;
    std::unique_ptr<pump::Pumps> pump;
    link::LinkId link = 0;
};

void boundaries() {
    for (const std::uint16_t order : {std::uint16_t{12}, std::uint16_t{18}, std::uint16_t{20}}) {
        Bench bench(order);
        const Service service(bench.target, echo);
        const std::size_t ring = std::size_t{1} << order;
        for (const std::size_t edge :
             {std::size_t{0}, std::size_t{16}, std::size_t{4096}, std::size_t{32768},
              std::size_t{65536}, std::size_t{524288}, ring / 8, ring, 2 * ring}) {
            for (const int offset : {-1, 0, 1}) {
                if (edge == 0 && offset < 0) {
                    continue;
                }
                const std::size_t length = edge + static_cast<std::size_t>(offset);
                CHECK(round_trip(bench.path, length, static_cast<unsigned>(length)));
            }
        }
    }
}

void many_streams_one_stalled() {
    Bench bench;
    const Service service(bench.target, echo);
    // One program that writes and never reads.
    const sys::UniqueFd stalled = dial(bench.path);
    std::atomic<bool> over{false};
    std::thread flood([&] {
        const Bytes block(1 << 16);
        while (!over) {
            pollfd waiting{stalled.get(), POLLOUT, 0};
            if (::poll(&waiting, 1, 20) > 0) {
                [[maybe_unused]] const ssize_t sent =
                    ::send(stalled.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            }
        }
    });
    std::atomic<int> good{0};
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 64; ++i) {
        clients.emplace_back([&, i] { good += round_trip(bench.path, 100'000 + i, i) ? 1 : 0; });
    }
    for (std::thread& client : clients) {
        client.join();
    }
    CHECK(good == 64);
    over = true;
    flood.join();
    ::shutdown(stalled.get(), SHUT_RDWR);
}

void half_close_toward_the_client() {
    Bench bench;
    std::mutex mutex;
    Bytes received;
    {
        const Service service(bench.target, [&](int fd) {
            write_all(fd, "hello", 5);
            ::shutdown(fd, SHUT_WR);
            bool ok = true;
            const Bytes got = read_all(fd, ok);
            const std::lock_guard lock(mutex);
            received = got;
        });
        const sys::UniqueFd fd = dial(bench.path);
        bool ok = true;
        const Bytes greeting = read_all(fd.get(), ok);
        CHECK(ok && std::string(greeting.data(), greeting.size()) == "hello");
        write_all(fd.get(), "answer", 6);  // the other direction is still open
    }
    CHECK(std::string(received.data(), received.size()) == "answer");
}

void write_and_close_at_once() {
    Bench bench;
    std::atomic<int> complete{0};
    {
        const Service service(bench.target, [&](int fd) {
            write_all(fd, "banner that nobody reads", 24);
            bool ok = true;
            complete += read_all(fd, ok).size() == 100 ? 1 : 0;
        });
        const Bytes hundred(100, 'x');
        for (int i = 0; i < 1000; ++i) {
            const sys::UniqueFd fd = dial(bench.path);
            write_all(fd.get(), hundred.data(), hundred.size());
        }
        CHECK(bench.wait_for([seen = 0](const pump::Event& event) mutable {
            seen += std::holds_alternative<link::StreamClosed>(event) ? 1 : 0;
            return seen == 1000;
        }));
    }
    CHECK(complete == 1000);
}

void refusals() {
    Bench bench;
    const struct {
        const char* service;
        link::Refusal reason;
    } cases[] = {{"forbidden", link::Refusal::kDenied},
                 {"absent", link::Refusal::kTargetUnavailable},
                 {"unheard-of", link::Refusal::kNoSuchService}};
    for (const auto& refusal : cases) {
        const std::string path = bench.dir.path + "/" + refusal.service;
        bench.expose(refusal.service, path);
        const sys::UniqueFd fd = dial(path);
        bool ok = true;
        CHECK(read_all(fd.get(), ok).empty());
        CHECK(bench.wait_refused(refusal.reason));
    }
    const Service late(bench.dir.path + "/nobody", echo);  // works as soon as it exists
    CHECK(round_trip(bench.dir.path + "/absent", 10, 1));
}

void stream_limit() {
    Bench bench(18, {2, 512 * 1024});
    const Service service(bench.target, echo);
    const sys::UniqueFd first = dial(bench.path);
    const sys::UniqueFd second = dial(bench.path);
    char byte = 'x';
    for (const sys::UniqueFd* fd : {&first, &second}) {
        write_all(fd->get(), &byte, 1);
        CHECK(::recv(fd->get(), &byte, 1, 0) == 1);
    }
    const sys::UniqueFd third = dial(bench.path);
    CHECK(bench.wait_refused(link::Refusal::kTooManyStreams));
    bool ok = true;
    CHECK(read_all(third.get(), ok).empty());
    ::shutdown(first.get(), SHUT_WR);
    CHECK(read_all(first.get(), ok).empty());
    CHECK(bench.wait_for([](const pump::Event& event) {
        return std::holds_alternative<link::StreamClosed>(event);
    }));
    CHECK(round_trip(bench.path, 1000, 3));
}

void fd_passing() {
    Bench bench;
    const Service service(bench.target, echo);
    const sys::UniqueFd fd = dial(bench.path);
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int passed = STDOUT_FILENO;
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    CHECK(::sendmsg(fd.get(), &message, 0) == 1);
    bool ok = true;
    CHECK(read_all(fd.get(), ok).empty());
    CHECK(bench.wait_for([](const pump::Event& event) {
        const auto* closed = std::get_if<link::StreamClosed>(&event);
        return closed != nullptr && closed->reason == link::EndReason::kFdPassing;
    }));
    CHECK(bench.pump->links().front().counters.fd_passing_resets == 1);
}

void drain_lets_streams_finish() {
    Bench bench;
    const Service service(bench.target, echo);
    const sys::UniqueFd fd = dial(bench.path);
    char byte = 'x';
    write_all(fd.get(), &byte, 1);
    CHECK(::recv(fd.get(), &byte, 1, 0) == 1);
    bench.pump->close_link(bench.link, std::chrono::seconds(10));
    CHECK(bench.wait_for([](const pump::Event& event) {
        return std::holds_alternative<link::LinkDraining>(event);
    }));
    const sys::UniqueFd refused = dial(bench.path);
    CHECK(bench.wait_refused(link::Refusal::kShuttingDown));
    write_all(fd.get(), &byte, 1);  // the old one lives on
    CHECK(::recv(fd.get(), &byte, 1, 0) == 1);
    ::shutdown(fd.get(), SHUT_WR);
    bool ok = true;
    CHECK(read_all(fd.get(), ok).empty() && ok);
    CHECK(bench.wait_for([](const pump::Event& event) {
        const auto* down = std::get_if<link::LinkDown>(&event);
        return down != nullptr && down->reason == link::DownReason::kGoodbye;
    }));
}

void close_resets_at_once() {
    Bench bench;
    const Service service(bench.target, echo);
    const sys::UniqueFd fd = dial(bench.path);
    char byte = 'x';
    write_all(fd.get(), &byte, 1);
    CHECK(::recv(fd.get(), &byte, 1, 0) == 1);
    bench.pump->close_link(bench.link, std::chrono::seconds(0));
    bool ok = true;
    CHECK(read_all(fd.get(), ok).empty());
    CHECK(bench.wait_for([](const pump::Event& event) {
        return std::holds_alternative<pump::LinkReleased>(event);
    }));
    CHECK(!dial(bench.path).valid());
}

void memory_budget() {
    // Enough for four initial windows: two streams, each with a window at both ends.
    Bench bench(18, {100, 512 * 1024}, std::size_t{4} * stream::kInitialWindow);
    const Service service(bench.target, echo);
    const sys::UniqueFd first = dial(bench.path);
    char byte = 'x';
    write_all(first.get(), &byte, 1);
    CHECK(::recv(first.get(), &byte, 1, 0) == 1);
    CHECK(round_trip(bench.path, 1 << 20, 5));  // the window cannot grow, but everything arrives
    const sys::UniqueFd second = dial(bench.path);
    write_all(second.get(), &byte, 1);
    CHECK(::recv(second.get(), &byte, 1, 0) == 1);
    const sys::UniqueFd third = dial(bench.path);
    CHECK(bench.wait_refused(link::Refusal::kTooManyStreams));
}

}  // namespace

int main() {
    tap::test("every boundary of ring, window and frame, at +-1", boundaries);
    tap::test("64 streams finish beside one that never reads", many_streams_one_stalled);
    tap::test("half-close toward the client", half_close_toward_the_client);
    tap::test("connect, write 100 bytes, close at once: 1,000 of 1,000 arrive",
              write_and_close_at_once);
    tap::test("refusals have distinct reasons, and end when their cause does", refusals);
    tap::test("the stream limit refuses, and a stream that ends frees its place", stream_limit);
    tap::test("passing a file descriptor resets the stream", fd_passing);
    tap::test("a drained link lets its streams finish", drain_lets_streams_finish);
    tap::test("a closed link resets its streams and its listeners", close_resets_at_once);
    tap::test("the memory budget bounds windows, not bytes carried", memory_budget);
    return tap::done();
}

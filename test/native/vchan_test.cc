// Raw vchan streams between two domains of a loopback machine, ours on both ends: first and last
// bytes, one stream after the other, ends of every kind, and a page that lies.
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <random>
#include <thread>

#include "abi/control_page.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"
#include "vchan/relays.h"

namespace {

using namespace xsock;
using hypervisor::DomId;
using vchan::End;

constexpr std::uint32_t kSame = static_cast<std::uint32_t>(-1);

// One domain's relays, and what they report.
class Side {
  public:
    Side(hypervisor::loopback::Machine& machine, const std::string& root, DomId domid)
        : dir(root + "/" + std::to_string(domid)) {
        std::filesystem::create_directories(dir);
        machine.introduce(domid, dir + "/hypercall");
        relays = std::make_unique<vchan::Relays>(hypervisor::loopback::connect_loopback(dir),
                                                 [this] { collect(); });
    }
    ~Side() { relays->stop(); }

    // Takes the first event of that kind; waits up to ten seconds.
    template <typename Event>
    Event take() {
        std::unique_lock lock(mutex_);
        Event result{};
        const bool there = condition_.wait_for(lock, std::chrono::seconds(10), [&] {
            for (auto it = events_.begin(); it != events_.end(); ++it) {
                if (const Event* event = std::get_if<Event>(&*it)) {
                    result = *event;
                    events_.erase(it);
                    return true;
                }
            }
            return false;
        });
        CHECK(there);
        return result;
    }

    std::string dir;
    std::unique_ptr<vchan::Relays> relays;

  private:
    void collect() {
        const std::lock_guard lock(mutex_);
        for (vchan::Event& event : relays->take_events()) {
            events_.push_back(std::move(event));
        }
        condition_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable condition_;
    std::vector<vchan::Event> events_;
};

constexpr DomId kServer = 5;
constexpr DomId kClient = 3;

struct Pair {
    TempDir temp;
    hypervisor::loopback::Machine machine{hypervisor::loopback::MachineLimits{}};
    Side server{machine, temp.path, kServer};
    Side client{machine, temp.path, kClient};
    const std::string target = temp.path + "/target";
    const std::string path = temp.path + "/door";
    sys::UniqueFd listener = sys::listen_unix(target, 0600, kSame, kSame);
    vchan::DoorId door = client.relays->open_door(sys::listen_unix(path, 0600, kSame, kSame));

    // What the control plane does: offers, and leads the program that waits to the offer.
    vchan::Relays::Offer offer(std::uint16_t order = 12) {
        return server.relays->serve(kClient, order, {false, target, 0});
    }
    void lead(const vchan::Relays::Offer& to) {
        CHECK(client.take<vchan::Wanted>().door == door);
        client.relays->connect(door, kServer, to.ring_ref, to.port);
    }
};

sys::UniqueFd dial(const std::string& path) {
    sys::ConnectResult result = sys::connect({false, path, 0});
    CHECK(result.outcome == sys::Connect::kDone);
    return std::move(result.fd);
}

bool readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 10'000) == 1;
}

sys::UniqueFd accepted(int listener) {
    CHECK(readable(listener));
    int error = 0;
    return sys::accept(listener, error);
}

void write_all(int fd, const std::string& data) {
    for (std::size_t done = 0; done < data.size();) {
        pollfd waiting{fd, POLLOUT, 0};
        CHECK(::poll(&waiting, 1, 10'000) == 1);
        const ssize_t count = ::send(fd, data.data() + done, data.size() - done, MSG_NOSIGNAL);
        CHECK(count > 0 || errno == EAGAIN);
        if (count < 0 && errno != EAGAIN) {
            return;
        }
        done += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
}

// Up to `length` bytes, or to the end-of-file.
std::string read_some(int fd, std::size_t length) {
    std::string result;
    std::array<char, 65536> buffer;
    while (result.size() < length && readable(fd)) {
        const ssize_t count =
            ::recv(fd, buffer.data(), std::min(buffer.size(), length - result.size()), 0);
        if (count <= 0) {
            break;
        }
        result.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return result;
}

bool at_end(int fd) {
    char byte;
    return readable(fd) && ::recv(fd, &byte, 1, 0) == 0;
}

std::string noise(std::size_t length) {
    std::mt19937 random(7);
    std::string result(length, '\0');
    for (char& c : result) {
        c = static_cast<char>(random());
    }
    return result;
}

void run_streams() {
    tap::test("bytes both ways, more than the rings hold", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        const auto target = accepted(pair.listener.get());
        const std::string data = noise(300'000);
        std::thread writer([&] { write_all(program.get(), data); });
        CHECK(read_some(target.get(), data.size()) == data);
        writer.join();
        std::thread answer([&] { write_all(target.get(), data); });
        CHECK(read_some(program.get(), data.size()) == data);
        answer.join();
    });
    tap::test("first bytes: written before anybody was there", [] {
        Pair pair;
        const auto program = dial(pair.path);
        write_all(program.get(), "at once");
        pair.lead(pair.offer());
        const auto target = accepted(pair.listener.get());
        CHECK(read_some(target.get(), 7) == "at once");
    });
    tap::test("last bytes and end-of-file of the target reach the program", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        auto target = accepted(pair.listener.get());
        const std::string data = noise(100'000);
        write_all(program.get(), "?");
        ::shutdown(program.get(), SHUT_WR);
        CHECK(read_some(target.get(), 1) == "?");
        std::thread answer([&] {
            write_all(target.get(), data);
            target.reset();
        });
        CHECK(read_some(program.get(), data.size()) == data);
        CHECK(at_end(program.get()));
        answer.join();
        CHECK(pair.server.take<vchan::Ended>().reason == End::kClosed);
        CHECK(pair.client.take<vchan::Ended>().reason == End::kPeerGone);
    });
    tap::test("connect, write, close: all of it arrives", [] {
        Pair pair;
        const auto offer = pair.offer();
        auto program = dial(pair.path);
        write_all(program.get(), "last words");
        program.reset();
        pair.lead(offer);
        const auto target = accepted(pair.listener.get());
        CHECK(read_some(target.get(), 10) == "last words");
        CHECK(at_end(target.get()));
        CHECK(pair.client.take<vchan::Ended>().bytes_sent == 10);
        CHECK(pair.server.take<vchan::Ended>().bytes_received == 10);
    });
    tap::test("one stream after the other through one door, in the order of connecting", [] {
        Pair pair;
        std::vector<sys::UniqueFd> programs;
        for (int i = 0; i < 20; ++i) {
            programs.push_back(dial(pair.path));
            write_all(programs.back().get(), std::string(1, static_cast<char>('a' + i)));
        }
        for (int i = 0; i < 20; ++i) {
            pair.lead(pair.offer());
            const auto target = accepted(pair.listener.get());
            CHECK(read_some(target.get(), 1) == std::string(1, static_cast<char>('a' + i)));
            programs[static_cast<std::size_t>(i)].reset();
            CHECK(at_end(target.get()));
            pair.client.take<vchan::Ended>();
        }
    });
}

void run_ends() {
    tap::test("a target that is not there ends the stream and says why", [] {
        Pair pair;
        const auto offer =
            pair.server.relays->serve(kClient, 12, {false, pair.temp.path + "/nobody", 0});
        const auto program = dial(pair.path);
        pair.lead(offer);
        const auto ended = pair.server.take<vchan::Ended>();
        CHECK(ended.reason == End::kTargetUnavailable);
        CHECK(ended.detail.find("nobody") != std::string::npos);
        CHECK(at_end(program.get()));
    });
    tap::test("a refused program gets an end-of-file, and the next one is asked for", [] {
        Pair pair;
        const auto program = dial(pair.path);
        CHECK(pair.client.take<vchan::Wanted>().door == pair.door);
        pair.client.relays->refuse(pair.door);
        CHECK(at_end(program.get()));
        const auto next = dial(pair.path);
        CHECK(pair.client.take<vchan::Wanted>().door == pair.door);
    });
    tap::test("an offer is good once, and not after its server has gone", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        const auto target = accepted(pair.listener.get());
        const auto other = pair.client.relays->open_door(
            sys::listen_unix(pair.temp.path + "/other", 0600, kSame, kSame));
        const auto second = dial(pair.temp.path + "/other");
        pair.client.take<vchan::Wanted>();
        bool failed = false;
        try {
            pair.client.relays->connect(other, kServer, offer.ring_ref, offer.port);
        } catch (const std::system_error&) {
            failed = true;
        }
        CHECK(failed);
        write_all(program.get(), "x");
        CHECK(read_some(target.get(), 1) == "x");
    });
    tap::test("terminate gives everything back", [] {
        Pair pair;
        for (int i = 0; i < 3; ++i) {
            const auto offer = pair.offer(16);
            pair.server.relays->terminate(offer.relay);
            CHECK(pair.server.take<vchan::Ended>().reason == End::kTerminated);
        }
        for (const auto& counts : pair.machine.counts()) {
            CHECK(counts.grants == 0 && counts.mappings == 0 && counts.event_channels == 0);
        }
    });
}

// A client that maps the offered page itself and writes what it likes.
void run_hostile() {
    tap::test("an impossible index ends that stream with the reason", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto hostile = hypervisor::loopback::connect_loopback(pair.client.dir);
        const auto port = hostile.doorbells->bind_interdomain(kServer, offer.port);
        const std::array<hypervisor::GrantRef, 1> refs{offer.ring_ref};
        const auto mapped =
            hostile.memory->map(kServer, refs, hypervisor::Access::kReadWrite, nullptr);
        auto& page = *reinterpret_cast<abi::ControlPage*>(mapped->bytes().data());
        page.cli_live = abi::kLive;
        page.left.prod = 0x80000000;
        hostile.doorbells->notify(port);
        const auto ended = pair.server.take<vchan::Ended>();
        CHECK(ended.reason == End::kCorrupt && ended.detail == "an impossible write index");
    });
    tap::test("a page whose rings overlap, or that is no page of rings, is not taken", [] {
        Pair pair;
        for (const auto& [left, right] : {std::pair{10, 10}, {11, 11}, {9, 12}, {12, 21}}) {
            const auto hostile = hypervisor::loopback::connect_loopback(pair.server.dir);
            const auto port = hostile.doorbells->allocate_unbound(kClient);
            const auto shared =
                hostile.memory->share(kClient, 1, hypervisor::Access::kReadWrite, nullptr);
            auto& page = *reinterpret_cast<abi::ControlPage*>(shared->bytes().data());
            page.left_order = static_cast<std::uint16_t>(left);
            page.right_order = static_cast<std::uint16_t>(right);
            page.srv_live = abi::kLive;
            page.cli_live = abi::kNoClientYet;
            int error = 0;
            try {
                pair.client.relays->connect(pair.door, kServer, shared->refs()[0], port);
            } catch (const std::system_error& failure) {
                error = failure.code().value();
            }
            CHECK(error == EPROTO);
        }
    });
    tap::test("a channel that an earlier client has left is taken on where it stands", [] {
        Pair pair;
        const auto server = hypervisor::loopback::connect_loopback(pair.server.dir);
        const auto port = server.doorbells->allocate_unbound(kClient);
        const auto shared =
            server.memory->share(kClient, 1, hypervisor::Access::kReadWrite, nullptr);
        auto& page = *reinterpret_cast<abi::ControlPage*>(shared->bytes().data());
        page.left_order = 11;
        page.right_order = 10;
        page.left = {4'000, 4'000};
        page.right = {7'000, 7'005};  // 5 bytes that nobody read: not for the next client
        page.srv_live = abi::kLive;
        page.cli_live = abi::kGone;
        const auto program = dial(pair.path);
        write_all(program.get(), "again");
        pair.client.take<vchan::Wanted>();
        pair.client.relays->connect(pair.door, kServer, shared->refs()[0], port);
        for (int i = 0; i < 10'000 && ring::load_acquire(page.left.prod) != 4'005; ++i) {
            ::poll(nullptr, 0, 1);
        }
        CHECK(std::memcmp(shared->bytes().data() + 2048 + (4'000 & 2047), "again", 5) == 0);
        std::memcpy(shared->bytes().data() + 1024 + (7'005 & 1023), "yes", 3);
        ring::store_release(page.right.prod, 7'008);
        server.doorbells->notify(port);
        CHECK(read_some(program.get(), 3) == "yes");
    });
    tap::test("rings inside the control page carry bytes: 1 KiB to us, 2 KiB from us", [] {
        Pair pair;
        const auto server = hypervisor::loopback::connect_loopback(pair.server.dir);
        const auto port = server.doorbells->allocate_unbound(kClient);
        const auto shared =
            server.memory->share(kClient, 1, hypervisor::Access::kReadWrite, nullptr);
        auto& page = *reinterpret_cast<abi::ControlPage*>(shared->bytes().data());
        page.left_order = 11;
        page.right_order = 10;
        page.srv_live = abi::kLive;
        page.cli_live = abi::kNoClientYet;
        std::memcpy(shared->bytes().data() + 1024, "hello", 5);
        page.right.prod = 5;
        const auto program = dial(pair.path);
        write_all(program.get(), "back");
        pair.client.take<vchan::Wanted>();
        pair.client.relays->connect(pair.door, kServer, shared->refs()[0], port);
        CHECK(read_some(program.get(), 5) == "hello");
        for (int i = 0; i < 10'000 && ring::load_acquire(page.left.prod) != 4; ++i) {
            ::poll(nullptr, 0, 1);
        }
        CHECK(std::memcmp(shared->bytes().data() + 2048, "back", 4) == 0);
    });
}

}  // namespace

int main() {
    run_streams();
    run_ends();
    run_hostile();
    return tap::done();
}

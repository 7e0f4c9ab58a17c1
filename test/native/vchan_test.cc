// Raw vchan streams between two domains of a loopback machine, ours on both ends: first and last
// bytes, one stream after the other, ends of every kind, and an invalid page.
#include <sys/resource.h>
#include <sys/un.h>

#include "tap.h"
#include "vchan_pair.h"

namespace {

using namespace vchans;

void run_streams() {
    tap::test("bytes both ways, more than the rings hold", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        const auto target = accepted(pair.target_listener.get());
        const std::string data = noise(300'000);
        std::thread writer([&] { write_all(program.get(), data); });
        CHECK(read_some(target.get(), data.size()) == data);
        writer.join();
        std::thread answer([&] { write_all(target.get(), data); });
        CHECK(read_some(program.get(), data.size()) == data);
        answer.join();
    });
    tap::test("first bytes: written before the target existed", [] {
        Pair pair;
        const auto program = dial(pair.path);
        write_all(program.get(), "at once");
        pair.lead(pair.offer());
        const auto target = accepted(pair.target_listener.get());
        CHECK(read_some(target.get(), 7) == "at once");
    });
    tap::test("last bytes and end-of-file of the target reach the program", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        auto target = accepted(pair.target_listener.get());
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
        const auto target = accepted(pair.target_listener.get());
        CHECK(read_some(target.get(), 10) == "last words");
        CHECK(at_end(target.get()));
        CHECK(pair.client.take<vchan::Ended>().bytes_sent == 10);
        CHECK(pair.server.take<vchan::Ended>().bytes_received == 10);
    });
    tap::test("one stream after the other through one listener, in the order of connecting", [] {
        Pair pair;
        std::vector<sys::UniqueFd> programs;
        for (int i = 0; i < 20; ++i) {
            programs.push_back(dial(pair.path));
            write_all(programs.back().get(), std::string(1, static_cast<char>('a' + i)));
        }
        for (int i = 0; i < 20; ++i) {
            pair.lead(pair.offer());
            const auto target = accepted(pair.target_listener.get());
            CHECK(read_some(target.get(), 1) == std::string(1, static_cast<char>('a' + i)));
            programs[static_cast<std::size_t>(i)].reset();
            CHECK(at_end(target.get()));
            pair.client.take<vchan::Ended>();
        }
    });
}

void run_ends() {
    tap::test("a missing target ends the stream with the reason", [] {
        Pair pair;
        const auto offer = pair.server.relays->serve(
            kClient, 12, {sys::SocketKind::kUnix, pair.temp.path + "/nobody", 0});
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
        CHECK(pair.client.take<vchan::ConnectionPending>().listener == pair.listener);
        pair.client.relays->refuse(pair.listener);
        CHECK(at_end(program.get()));
        const auto next = dial(pair.path);
        CHECK(pair.client.take<vchan::ConnectionPending>().listener == pair.listener);
    });
    tap::test("an offer may be used only once, and not after its server has gone", [] {
        Pair pair;
        const auto offer = pair.offer();
        const auto program = dial(pair.path);
        pair.lead(offer);
        const auto target = accepted(pair.target_listener.get());
        const auto other = pair.client.relays->listen(
            sys::listen_unix(pair.temp.path + "/other", 0600, kSame, kSame));
        const auto second = dial(pair.temp.path + "/other");
        pair.client.take<vchan::ConnectionPending>();
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
    tap::test("a listener pauses while there are no descriptors, and reports that", [] {
        Pair pair;
        const sys::UniqueFd program(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(sys::UniqueFd(::dup(program.get())).get());
        ::setrlimit(RLIMIT_NOFILE, &none);
        sockaddr_un address{AF_UNIX, {}};
        pair.path.copy(address.sun_path, sizeof address.sun_path - 1);
        CHECK(::connect(program.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        CHECK(pair.client.take<vchan::ListenerError>().listener == pair.listener);
        // It is tried again and again, each time after a pause of 0.1 s.
        const auto begin = sys::Clock::now();
        for (int i = 0; i < 5; ++i) {
            CHECK(pair.client.take<vchan::ListenerError>().detail == "Too many open files");
        }
        CHECK(sys::Clock::now() - begin >= std::chrono::milliseconds(400));
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(pair.client.take<vchan::ConnectionPending>().listener == pair.listener);
    });
    tap::test("terminate releases everything", [] {
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
    tap::test("a page whose rings overlap, or that describes no channel, is rejected", [] {
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
                pair.client.relays->connect(pair.listener, kServer, shared->refs()[0], port);
            } catch (const std::system_error& failure) {
                error = failure.code().value();
            }
            CHECK(error == EPROTO);
        }
    });
}

}  // namespace

int main() {
    run_streams();
    run_ends();
    run_hostile();
    return tap::done();
}

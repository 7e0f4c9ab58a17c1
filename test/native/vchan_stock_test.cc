// Our client with servers of plain libxenvchan: the test plays the server on its page, with the
// small rings, the habits and the faults of the stock programs.
#include "tap.h"
#include "vchan_pair.h"

namespace {

using namespace vchans;

// A server that has just made its channel, rings inside the control page: 1 KiB to the client at
// 1024, 2 KiB from it at 2048.
struct Stock {
    explicit Stock(Pair& with) : pair(with) {
        page.left_order = 11;
        page.right_order = 10;
        page.srv_live = abi::kLive;
        page.cli_live = abi::kNoClientYet;
    }
    [[nodiscard]] std::byte* bytes() const { return shared->bytes().data(); }
    void takes_the_next() {
        pair.client.take<vchan::ConnectionPending>();
        pair.client.relays->connect(pair.listener, kServer, shared->refs()[0], port);
    }
    void ring() { domain.doorbells->notify(port); }
    // Whether it is notified within so many milliseconds.
    bool notified(int milliseconds) {
        pollfd waiting{domain.doorbells->fd(), POLLIN, 0};
        if (::poll(&waiting, 1, milliseconds) != 1) {
            return false;
        }
        std::array<hypervisor::EventChannelPort, 8> ports;
        domain.doorbells->drain(ports);
        domain.doorbells->unmask(port);
        return true;
    }
    // Waits until the client has written so far.
    void written(std::uint32_t index) {
        for (int i = 0; i < 10'000 && ring::load_acquire(page.left.prod) != index; ++i) {
            ::poll(nullptr, 0, 1);
        }
        CHECK(ring::load_acquire(page.left.prod) == index);
    }

    Pair& pair;
    hypervisor::Hypervisor domain = hypervisor::loopback::connect_loopback(pair.server.dir);
    hypervisor::EventChannelPort port = domain.doorbells->allocate_unbound(kClient);
    std::unique_ptr<hypervisor::SharedPages> shared =
        domain.memory->share(kClient, 1, hypervisor::Access::kReadWrite, nullptr);
    abi::ControlPage& page = *reinterpret_cast<abi::ControlPage*>(shared->bytes().data());
};

void run_stock() {
    tap::test("a channel that an earlier client has left is continued at its indices", [] {
        Pair pair;
        Stock server(pair);
        auto& page = server.page;
        page.left = {.cons = 4'000, .prod = 4'000};
        page.right = {.cons = 7'000,
                      .prod = 7'005};  // 5 bytes that nobody read: not for the next client
        page.cli_live = abi::kGone;
        const auto program = dial(pair.path);
        write_all(program.get(), "again");
        server.takes_the_next();
        server.written(4'005);
        CHECK(std::memcmp(server.bytes() + 2048 + (4'000 & 2047), "again", 5) == 0);
        std::memcpy(server.bytes() + 1024 + (7'005 & 1023), "yes", 3);
        ring::store_release(page.right.prod, 7'008);
        server.ring();
        CHECK(read_some(program.get(), 3) == "yes");
    });
    tap::test("the next client waits until the server has noticed that this one left", [] {
        Pair pair;
        Stock server(pair);
        auto& page = server.page;
        ring::set_bits(page.cli_notify, abi::kNotifyWrite);  // as before it went to sleep
        auto first = dial(pair.path);
        server.takes_the_next();
        const auto second = dial(pair.path);
        first.reset();
        pair.client.take<vchan::Ended>();
        CHECK(ring::load_acquire(page.cli_live) == abi::kGone);
        CHECK(!pair.client.has<vchan::ConnectionPending>());
        ring::set_bits(page.cli_notify, abi::kNotifyWrite);
        pair.client.take<vchan::ConnectionPending>();
        CHECK((ring::load_acquire(page.cli_notify) & abi::kNotifyWrite) != 0);
    });
    tap::test("a server that missed our first notification is notified until it reads", [] {
        Pair pair;
        Stock server(pair);
        auto& page = server.page;
        const auto program = dial(pair.path);
        write_all(program.get(), "first");
        server.takes_the_next();
        server.written(5);
        for (int i = 0; i < 3; ++i) {
            CHECK(server.notified(tap::kDeadlineMs));
        }
        ring::store_release(page.left.cons, 5);
        ring::set_bits(page.cli_notify, abi::kNotifyRead | abi::kNotifyWrite);
        server.ring();
        write_all(program.get(), "second");
        server.written(11);
        while (server.notified(0)) {
        }
        CHECK(!server.notified(2'500));
    });
    tap::test("rings inside the control page carry bytes: 1 KiB to us, 2 KiB from us", [] {
        Pair pair;
        Stock server(pair);
        auto& page = server.page;
        std::memcpy(server.bytes() + 1024, "hello", 5);
        page.right.prod = 5;
        const auto program = dial(pair.path);
        write_all(program.get(), "back");
        server.takes_the_next();
        CHECK(read_some(program.get(), 5) == "hello");
        server.written(4);
        CHECK(std::memcmp(server.bytes() + 2048, "back", 4) == 0);
    });
}

}  // namespace

int main() {
    run_stock();
    return tap::done();
}

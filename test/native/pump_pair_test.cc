// Two pumps in two domains of a loopback machine: what a domain's link with itself cannot show.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "domain.h"
#include "hypervisor/deferred_closes.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);

struct Pair {
    explicit Pair(sys::Duration longest_poll = link::Timings{}.longest_poll)
        : low(machine, root.path, 0, longest_poll), high(machine, root.path, 3, longest_poll) {}
    // A link, up; what listens at `target` in the high domain is at low.dir/svc. Returns the low
    // end.
    link::LinkId export_to_low(const std::string& target) {
        const pump::Pump::Offer offer = high.pump->offer(0, 16);
        const link::LinkId link = low.pump->connect(3, offer.ring_ref, offer.port);
        high.pump->set_exports(
            offer.link, std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                            {"svc", 80, true, {sys::SocketKind::kUnix, target, 0}}}));
        low.pump->listen(link, {"svc", 0}, sys::SocketKind::kUnix,
                         sys::listen_unix(low.dir + "/svc", 0600, kSame, kSame));
        CHECK(low.wait_for<link::LinkUp>(link));
        return link;
    }

    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain low;
    Domain high;
};

void links_come_up_every_time() {
    Pair pair;
    for (int round = 0; round < 50; ++round) {
        const pump::Pump::Offer offer = pair.high.pump->offer(0, 12);
        const link::LinkId link = pair.low.pump->connect(3, offer.ring_ref, offer.port);
        CHECK(pair.low.wait_for<link::LinkUp>(link));
        CHECK(pair.high.wait_for<link::LinkUp>(offer.link));
        pair.low.pump->close_link(link, sys::milliseconds(0));
        CHECK(pair.low.wait_for<pump::LinkReleased>(link));
        CHECK(pair.high.wait_for<pump::LinkReleased>(offer.link));
    }
    for (const auto& counts : pair.machine.counts()) {
        CHECK(counts.grants == 0 && counts.mappings == 0 && counts.event_channels == 0);
    }
}

void bytes_cross_both_ways() {
    Pair pair;
    const pump::Pump::Offer offer = pair.high.pump->offer(0, 16);
    const link::LinkId link = pair.low.pump->connect(3, offer.ring_ref, offer.port);
    const std::map<Domain*, std::string> targets{{&pair.low, pair.low.dir + "/t"},
                                                 {&pair.high, pair.high.dir + "/t"}};
    std::vector<std::unique_ptr<Service>> services;
    for (const auto& [domain, target] : targets) {
        services.push_back(std::make_unique<Service>(target, echo));
        const link::LinkId own = domain == &pair.low ? link : offer.link;
        domain->pump->set_exports(
            own, std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                     {"svc", 80, true, {sys::SocketKind::kUnix, target, 0}}}));
        domain->pump->listen(own, {"svc", 0}, sys::SocketKind::kUnix,
                             sys::listen_unix(domain->dir + "/svc", 0600, kSame, kSame));
    }
    std::vector<std::thread> clients;
    std::atomic<int> good{0};
    for (unsigned i = 0; i < 16; ++i) {
        const Domain& domain = i % 2 == 0 ? pair.low : pair.high;
        clients.emplace_back(
            [&, i] { good += round_trip(domain.dir + "/svc", 300'000 + i, i) ? 1 : 0; });
    }
    for (std::thread& client : clients) {
        client.join();
    }
    CHECK(good == 16);
}

// As Xen's: each close is deferred until domain_checked() names the port.
class DeferringDoorbells final : public hypervisor::Doorbells {
  public:
    explicit DeferringDoorbells(std::unique_ptr<Doorbells> real) : real_(std::move(real)) {}
    [[nodiscard]] int fd() const noexcept override { return real_->fd(); }
    hypervisor::EventChannelPort allocate_unbound(hypervisor::DomId peer) override {
        return real_->allocate_unbound(peer);
    }
    hypervisor::EventChannelPort bind_interdomain(hypervisor::DomId peer,
                                                  hypervisor::EventChannelPort port) override {
        return real_->bind_interdomain(peer, port);
    }
    void close(hypervisor::EventChannelPort port) noexcept override { deferred_.add(port); }
    void notify(hypervisor::EventChannelPort port) noexcept override { real_->notify(port); }
    std::size_t drain(std::span<hypervisor::EventChannelPort> out) override {
        return real_->drain(out);
    }
    void unmask(hypervisor::EventChannelPort port) noexcept override { real_->unmask(port); }
    [[nodiscard]] std::vector<hypervisor::EventChannelPort> take_deferred_closes() override {
        return deferred_.take();
    }
    void domain_checked(const hypervisor::DomainCheck& check) noexcept override {
        for (const auto port : deferred_.remove(check.ports)) {
            real_->close(port);
        }
    }

  private:
    std::unique_ptr<Doorbells> real_;
    hypervisor::DeferredCloses deferred_;
};

// Each deferred close is reported once; the ports that a check names are closed, later ones are
// not.
void closes_wait_for_a_check_that_names_their_ports() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    Domain high(machine, root.path, 3);
    const std::string dir = root.path + "/0";
    std::filesystem::create_directories(dir);
    machine.introduce(0, dir + "/hypercall");
    const auto connect = [&dir] {
        hypervisor::Hypervisor deferring = hypervisor::loopback::connect_loopback(dir);
        deferring.doorbells = std::make_unique<DeferringDoorbells>(std::move(deferring.doorbells));
        return deferring;
    };
    std::mutex mutex;
    std::vector<hypervisor::EventChannelPort> deferred;
    std::atomic<std::size_t> told{0};
    std::atomic<pump::Pumps*> running{nullptr};
    pump::Pumps low(hypervisor_handles(1, connect), {}, [&] {
        for (const pump::Event& event : running.load()->take_events()) {
            if (const auto* closes = std::get_if<pump::ClosesDeferred>(&event)) {
                const std::lock_guard lock(mutex);
                deferred.insert(deferred.end(), closes->ports.begin(), closes->ports.end());
                told += closes->ports.size();
            }
        }
    });
    running = &low;
    const auto wait_for = [&](std::size_t wanted) {
        const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
        while (told < wanted && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::yield();
        }
        return told == wanted;
    };
    const auto ports_of_low = [&] {
        for (const auto& counts : machine.counts()) {
            if (counts.domain == 0) {
                return counts.event_channels;
            }
        }
        return std::size_t{99};
    };
    const auto make_and_close_links = [&] {
        for (int i = 0; i < 3; ++i) {
            const pump::Pump::Offer offer = high.pump->offer(0, 12);
            low.close_link(low.connect(3, offer.ring_ref, offer.port), sys::Duration::zero());
        }
    };
    const auto take = [&] {
        const std::lock_guard lock(mutex);
        return hypervisor::DomainCheck{.restored = false, .ports = std::exchange(deferred, {})};
    };
    make_and_close_links();
    CHECK(wait_for(3));
    CHECK(ports_of_low() == 3);
    const hypervisor::DomainCheck early = take();
    make_and_close_links();  // while the check is in progress
    CHECK(wait_for(6));
    low.domain_checked(early);
    CHECK(ports_of_low() == 3);
    low.domain_checked(take());
    CHECK(ports_of_low() == 0);
    low.stop();
}

// The notifications of so many round trips on one stream, both directions together.
std::uint64_t doorbells_of(int round_trips, sys::Duration longest_poll) {
    Pair pair(longest_poll);
    const std::string target = pair.high.dir + "/t";
    const Service service(target, echo);
    pair.export_to_low(target);
    const sys::UniqueFd fd = dial(pair.low.dir + "/svc");
    char byte = 'x';
    for (int i = 0; i < round_trips; ++i) {
        write_all(fd.get(), &byte, 1);
        CHECK(::recv(fd.get(), &byte, 1, 0) == 1);
    }
    return pair.low.pump->links().at(0).counters.doorbells_sent +
           pair.high.pump->links().at(0).counters.doorbells_sent;
}

void a_polling_pump_needs_no_notifications() {
    constexpr int kRoundTrips = 500;
    CHECK(doorbells_of(kRoundTrips, sys::Duration::zero()) > kRoundTrips);
    // Far longer than any wait here, however busy the machine is.
    CHECK(doorbells_of(kRoundTrips, sys::milliseconds(1000)) < kRoundTrips / 4);
}

// Sockets of streams in all epoll sets of this process that are watched for writability, and those
// that are not (proc(5), /proc/pid/fdinfo).
struct Watched {
    int output = 0;
    int input_only = 0;
};
Watched watched_streams() {
    Watched result;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream lines(entry.path());
        for (std::string word; lines >> word;) {
            if (word != "events:") {
                continue;
            }
            std::uint32_t events = 0;
            lines >> std::hex >> events;
            if ((events & EPOLLRDHUP) != 0 && (events & EPOLLET) != 0) {
                ++((events & EPOLLOUT) != 0 ? result.output : result.input_only);
            }
        }
    }
    return result;
}

// Every read of a program makes its socket writable; a pump that does not wait for that need not
// wake up.
void room_is_asked_for_once_there_was_none() {
    Pair pair;
    const std::string target = pair.high.dir + "/t";
    const sys::UniqueFd listener = sys::listen_unix(target, 0600, kSame, kSame);
    pair.export_to_low(target);
    const sys::UniqueFd client = dial(pair.low.dir + "/svc");
    const Bytes sent = random_bytes(4'000'000, 1);
    write_all(client.get(), sent.data(), 1000);
    pollfd waiting{listener.get(), POLLIN, 0};
    ::poll(&waiting, 1, tap::kDeadlineMs);
    const sys::UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    waiting = {server.get(), POLLIN, 0};
    CHECK(::poll(&waiting, 1, tap::kDeadlineMs) == 1);
    const Watched before = watched_streams();
    CHECK(before.output == 0 && before.input_only == 2);

    std::thread writer([&] {
        write_all(client.get(), sent.data() + 1000, sent.size() - 1000);
        ::shutdown(client.get(), SHUT_WR);
    });
    const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
    while (watched_streams().output == 0 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    CHECK(watched_streams().output == 1);
    bool ok = true;
    CHECK(read_all(server.get(), ok) == sent && ok);
    writer.join();
}

void an_offer_may_be_used_only_once() {
    Pair pair;
    const pump::Pump::Offer offer = pair.high.pump->offer(0, 12);
    const link::LinkId link = pair.low.pump->connect(3, offer.ring_ref, offer.port);
    CHECK(pair.low.wait_for<link::LinkUp>(link));
    int error = 0;
    try {
        pair.low.pump->connect(3, offer.ring_ref, offer.port);
    } catch (const std::system_error& refused) {
        error = refused.code().value();
    }
    CHECK(error != 0);
}

void a_lowered_limit_refuses_and_no_more() {
    Pair pair;
    // Never accepts: its backlog takes the connections.
    const std::string target = pair.high.dir + "/t";
    const sys::UniqueFd listener = sys::listen_unix(target, 0600, kSame, kSame);
    const link::LinkId link = pair.export_to_low(target);
    std::vector<sys::UniqueFd> programs;
    for (int i = 0; i < 1200; ++i) {
        programs.push_back(dial(pair.low.dir + "/svc"));
    }
    const auto incoming = [&] { return pair.high.pump->streams().size(); };
    const auto deadline = std::chrono::steady_clock::now() + tap::kDeadline;
    while (incoming() < programs.size() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    CHECK(incoming() == programs.size());
    link::Limits limits;
    limits.streams_per_peer = 10;
    pair.high.pump->set_limits(limits, std::size_t{512} << 20);
    const sys::UniqueFd one_more = dial(pair.low.dir + "/svc");
    const auto refused = pair.low.find<link::StreamRefused>(link);
    CHECK(refused != nullptr && refused->reason == link::Refusal::kTooManyStreams);
    CHECK(incoming() == programs.size());
}

}  // namespace

int main() {
    // The last test holds a few thousand sockets.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    tap::test("links come up, go down and release everything, again and again",
              links_come_up_every_time);
    tap::test("bytes cross both ways at once, opened from either side", bytes_cross_both_ways);
    tap::test("a polling pump needs no notifications", a_polling_pump_needs_no_notifications);
    tap::test("sockets are watched for writability only after they were full",
              room_is_asked_for_once_there_was_none);
    tap::test("an offer may be used only once", an_offer_may_be_used_only_once);
    tap::test("a limit that is lowered refuses new streams and leaves those that are open",
              a_lowered_limit_refuses_and_no_more);
    tap::test("closing ports is deferred until the domain is known not to have been restored",
              closes_wait_for_a_check_that_names_their_ports);
    return tap::done();
}

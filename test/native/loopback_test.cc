// The loopback hypervisor: the contract of all back ends, then what only it can show: processes
// that die, domains that are destroyed and replaced, hostile datagrams, limits, and counts that
// come back to zero.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "../contract/hypervisor_contract.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/machine.h"
#include "hypervisor/loopback/packet.h"
#include "hypervisor/loopback/protocol.h"
#include "temp_dir.h"

namespace {

using namespace contract;
namespace sys = xsock::sys;
using loopback::Machine;

constexpr DomId kA = 0;
constexpr DomId kB = 5;

// A machine with two domains, in a directory of its own.
class TestMachine {
  public:
    explicit TestMachine(const loopback::MachineLimits& limits = {}) : machine(limits) {
        introduce(kA);
        introduce(kB);
    }
    void introduce(DomId domain) {
        std::filesystem::create_directories(dir(domain));
        machine.introduce(domain, dir(domain) + "/hypercall");
    }
    [[nodiscard]] Hypervisor connect(DomId domain) const {
        return loopback::connect_loopback(dir(domain));
    }
    [[nodiscard]] Domains domains() const {
        return {.a_domid = kA, .a = connect(kA), .b_domid = kB, .b = connect(kB)};
    }
    [[nodiscard]] std::string dir(DomId domain) const {
        return temp.path + "/" + std::to_string(domain);
    }
    // Connections end on the machine's thread: waits until there are none, and returns the counts
    // then.
    bool empty() {
        for (int i = 0; i < 5000; ++i) {
            std::size_t total = 0;
            for (const auto& counts : machine.counts()) {
                total +=
                    counts.grants + counts.mappings + counts.event_channels + counts.connections;
            }
            if (total == 0) {
                return true;
            }
            ::poll(nullptr, 0, 1);
        }
        return false;
    }

    TempDir temp;
    Machine machine;
};

loopback::DomainCounts counts_of(Machine& machine, DomId domain) {
    for (const auto& counts : machine.counts()) {
        if (counts.domain == domain) {
            return counts;
        }
    }
    return {};
}

// A process of its own, to be killed by SIGKILL, so that none of its destructors run.
class Child {
  public:
    // `body` returns when it is ready to be killed.
    explicit Child(const std::function<void()>& body) {
        int ready[2];
        CHECK(::pipe(ready) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            try {
                body();
            } catch (const std::exception&) {
                ::_exit(1);
            }
            CHECK(::write(ready[1], "r", 1) == 1);
            for (;;) {
                ::pause();
            }
        }
        ::close(ready[1]);
        char byte;
        CHECK(::read(ready[0], &byte, 1) == 1);
        ::close(ready[0]);
    }
    void kill() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_;
};

void run_contract() {
    std::unique_ptr<TestMachine> machine;
    contract::run([&] {
        machine = std::make_unique<TestMachine>();
        return machine->domains();
    });
}

void run_death() {
    tap::test("kill -9 of the mapping side clears the byte and notifies", [] {
        TestMachine m;
        const Hypervisor a = m.connect(kA);
        const auto port = a.doorbells->allocate_unbound(kB);
        const auto shared = a.memory->share(kB, 1, Access::kReadWrite, nullptr);
        Child child([&] {
            static Hypervisor b = m.connect(kB);
            const UnmapNotify notify{20, b.doorbells->bind_interdomain(kA, port)};
            static auto mapped = b.memory->map(kA, shared->refs(), Access::kReadWrite, &notify);
            mapped->bytes()[20] = std::byte{1};
        });
        CHECK(shared->bytes()[20] == std::byte{1});
        child.kill();
        CHECK(heard(*a.doorbells) == std::vector{port});
        CHECK(shared->bytes()[20] == std::byte{0});
    });
    tap::test("kill -9 of the granting side clears the byte and notifies; everything is released",
              [] {
                  TestMachine m;
                  {
                      const Hypervisor b = m.connect(kB);
                      int pass[2];
                      CHECK(::pipe(pass) == 0);
                      Child child([&] {
                          static Hypervisor a = m.connect(kA);
                          static const UnmapNotify notify{21, a.doorbells->allocate_unbound(kB)};
                          static auto shared = a.memory->share(kB, 1, Access::kReadWrite, &notify);
                          shared->bytes()[21] = std::byte{1};
                          const std::uint32_t numbers[2] = {notify.port, shared->refs()[0]};
                          CHECK(::write(pass[1], numbers, sizeof numbers) == sizeof numbers);
                      });
                      std::uint32_t numbers[2] = {};
                      CHECK(::read(pass[0], numbers, sizeof numbers) == sizeof numbers);
                      const auto port = b.doorbells->bind_interdomain(kA, numbers[0]);
                      CHECK(heard(*b.doorbells) == std::vector{port});
                      b.doorbells->unmask(port);
                      const std::array<GrantRef, 1> refs{numbers[1]};
                      const auto mapped = b.memory->map(kA, refs, Access::kReadWrite, nullptr);
                      child.kill();
                      CHECK(heard(*b.doorbells) == std::vector{port});
                      CHECK(mapped->bytes()[21] == std::byte{0});
                      CHECK(counts_of(m.machine, kA).grants == 1);  // still mapped: still counted
                  }
                  CHECK(m.empty());
              });
    tap::test("when the machine is gone, drain throws ENODEV and nothing hangs", [] {
        auto m = std::make_unique<TestMachine>();
        Domains d = m->domains();
        const auto shared = d.a.memory->share(kB, 1, Access::kReadWrite, nullptr);
        m.reset();
        CHECK(errno_of([&] { heard(*d.a.doorbells); }) == ENODEV);
        CHECK(errno_of([&] { d.a.memory->share(kB, 1, Access::kReadWrite, nullptr); }) == ENODEV);
        shared->bytes()[0] = std::byte{1};
    });
}

void run_destroy() {
    tap::test("a destroyed domain sends no notification, its pages stay mapped", [] {
        TestMachine m;
        Domains d = m.domains();
        const Channel channel = make_channel(d);
        const UnmapNotify notify{21, channel.a};
        const auto shared = d.a.memory->share(kB, 1, Access::kReadWrite, &notify);
        const auto mapped = d.b.memory->map(kA, shared->refs(), Access::kReadWrite, nullptr);
        mapped->bytes()[21] = std::byte{1};
        m.machine.destroy(kA);
        CHECK(silent(*d.b.doorbells));
        CHECK(mapped->bytes()[21] == std::byte{1});
        d.b.doorbells->notify(channel.b);
        CHECK(errno_of([&] { d.b.memory->map(kA, shared->refs(), Access::kReadOnly, nullptr); }) ==
              ENOENT);
        CHECK(errno_of([&] { heard(*d.a.doorbells); }) == ENODEV);
    });
    tap::test("its domid reused: no old grants, but the old port is unbound for it, as on Xen", [] {
        TestMachine m;
        Domains d = m.domains();
        const Channel channel = make_channel(d);
        const auto shared = d.a.memory->share(kB, 1, Access::kReadWrite, nullptr);
        m.machine.destroy(kA);
        m.introduce(kA);
        const Hypervisor successor = m.connect(kA);
        CHECK(errno_of([&] { d.b.memory->map(kA, shared->refs(), Access::kReadWrite, nullptr); }) ==
              ENOENT);
        const auto port = successor.doorbells->bind_interdomain(kB, channel.b);
        successor.doorbells->notify(port);
        CHECK(heard(*d.b.doorbells) == std::vector{channel.b});
        d.b.doorbells->close(channel.b);
        CHECK(errno_of([&] { successor.doorbells->bind_interdomain(kB, channel.b); }) == EINVAL);
    });
}

void run_limits() {
    tap::test("grants, event channels and mappings of a grant are limited", [] {
        TestMachine m({.grants = {.pages = 4, .maps_per_grant = 2}, .ports_per_domain = 3});
        Domains d = m.domains();
        const auto shared = d.a.memory->share(kB, 4, Access::kReadOnly, nullptr);
        CHECK(errno_of([&] { d.a.memory->share(kB, 1, Access::kReadOnly, nullptr); }) == ENOSPC);
        const auto one = d.b.memory->map(kA, shared->refs(), Access::kReadOnly, nullptr);
        const auto two = d.b.memory->map(kA, shared->refs(), Access::kReadOnly, nullptr);
        CHECK(errno_of([&] { d.b.memory->map(kA, shared->refs(), Access::kReadOnly, nullptr); }) ==
              ENOSPC);
        for (int i = 0; i < 3; ++i) {
            d.a.doorbells->allocate_unbound(kB);
        }
        CHECK(errno_of([&] { d.a.doorbells->allocate_unbound(kB); }) == ENOSPC);
    });
    tap::test("unshared pages count while a peer maps them", [] {
        TestMachine m({.grants = {.pages = 1, .maps_per_grant = 64}});
        Domains d = m.domains();
        auto shared = d.a.memory->share(kB, 1, Access::kReadOnly, nullptr);
        auto mapped = d.b.memory->map(kA, shared->refs(), Access::kReadOnly, nullptr);
        shared.reset();
        CHECK(errno_of([&] { d.a.memory->share(kB, 1, Access::kReadOnly, nullptr); }) == ENOSPC);
        mapped.reset();
        CHECK(errno_of([&] { d.a.memory->share(kB, 1, Access::kReadOnly, nullptr); }) == 0);
    });
    tap::test("after everything is released nothing is left", [] {
        TestMachine m;
        {
            Domains d = m.domains();
            const Channel channel = make_channel(d);
            const UnmapNotify notify{20, channel.b};
            const auto shared = d.a.memory->share(kB, 64, Access::kReadWrite, nullptr);
            const auto mapped = d.b.memory->map(kA, shared->refs(), Access::kReadWrite, &notify);
            CHECK(counts_of(m.machine, kA).grants == 64);
            CHECK(counts_of(m.machine, kB).mappings == 64);
            CHECK(counts_of(m.machine, kB).event_channels == 1);
        }
        CHECK(m.empty());
    });
}

// A raw hypercall connection, as a hostile process would use it.
sys::UniqueFd dial(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    sys::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    CHECK(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

bool closed_by_machine(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    std::array<std::byte, 64> buffer;
    return ::poll(&waiting, 1, tap::kDeadlineMs) == 1 &&
           ::recv(fd, buffer.data(), buffer.size(), 0) <= 0;
}

void run_hostile() {
    tap::test("a malformed datagram costs its sender the connection and nobody else", [] {
        TestMachine m;
        Domains d = m.domains();
        using loopback::Request;
        const auto hostile = [&](const void* data, std::size_t length) {
            const sys::UniqueFd fd = dial(m.dir(kB) + "/hypercall");
            CHECK(::send(fd.get(), data, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length));
            CHECK(closed_by_machine(fd.get()));
        };
        std::array<std::byte, 8192> noise{};
        hostile(noise.data(), 1);
        hostile(noise.data(), noise.size());
        Request request;
        request.operation = 3;
        request.count = 2;  // claims two references, has none
        hostile(&request, sizeof request);
        request.count = 0xffffffff;
        hostile(&request, sizeof request);
        request = {};
        request.operation = 1;
        request.count = 1;
        request.peer = 0x7ff0;
        hostile(&request, sizeof request);
        CHECK(errno_of([&] { d.a.memory->share(kB, 1, Access::kReadWrite, nullptr); }) == 0);
    });
    tap::test("unknown operations and handles are refused; notify offsets are checked", [] {
        TestMachine m;
        const Hypervisor a = m.connect(kA);
        const UnmapNotify outside{kPageSize, 0};
        CHECK(errno_of([&] { a.memory->share(kB, 1, Access::kReadWrite, &outside); }) == EINVAL);
        const UnmapNotify foreign{0, 77};
        CHECK(errno_of([&] { a.memory->share(kB, 1, Access::kReadWrite, &foreign); }) == EINVAL);
        const sys::UniqueFd fd = dial(m.dir(kB) + "/hypercall");
        loopback::Request request;
        for (const std::uint32_t operation : {2u, 4u, 7u, 99u}) {
            request.operation = operation;
            request.handle = 12;
            request.port = 12;
            loopback::Response response;
            CHECK(::send(fd.get(), &request, sizeof request, MSG_NOSIGNAL) == sizeof request);
            CHECK(::recv(fd.get(), &response, sizeof response, 0) == sizeof response);
            CHECK(response.error != 0);
        }
    });
    tap::test("granted pages cannot be truncated, nor a read-only one written", [] {
        TestMachine m;
        const Hypervisor a = m.connect(kA);
        const auto shared = a.memory->share(kB, 1, Access::kReadOnly, nullptr);
        const sys::UniqueFd fd = dial(m.dir(kB) + "/hypercall");
        struct {
            loopback::Request request;
            std::uint32_t ref;
        } map{};
        map.request.operation = 3;
        map.request.peer = kA;
        map.request.count = 1;
        map.ref = shared->refs()[0];
        CHECK(::send(fd.get(), &map, sizeof map, MSG_NOSIGNAL) == sizeof map);
        std::array<std::byte, 64> buffer;
        const loopback::Packet packet = loopback::receive_packet(fd.get(), buffer, 4, 0);
        CHECK(packet.fds.size() == 1);
        const int pages = packet.fds.at(0).get();
        CHECK(::ftruncate(pages, 0) != 0);
        CHECK(::write(pages, "x", 1) != 1);
        CHECK(::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0) ==
              MAP_FAILED);
        void* const view = ::mmap(nullptr, kPageSize, PROT_READ, MAP_SHARED, pages, 0);
        CHECK(view != MAP_FAILED && ::mprotect(view, kPageSize, PROT_READ | PROT_WRITE) != 0);
        ::munmap(view, kPageSize);
    });
}

}  // namespace

int main() {
    run_contract();
    run_death();
    run_destroy();
    run_limits();
    run_hostile();
    return tap::done();
}

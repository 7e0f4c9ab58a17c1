// A loopback machine that fails or does not answer costs single calls, but neither the connection
// nor a pump's time: descriptors run out, answers come late, its process is stopped; and the loss
// of the connection is reported.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "../contract/hypervisor_contract.h"
#include "domain.h"
#include "hypervisor/loopback/connect.h"
#include "hypervisor/loopback/hypercall.h"
#include "hypervisor/loopback/machine.h"
#include "hypervisor/loopback/packet.h"
#include "programs.h"
#include "tap.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;
using contract::errno_of;
using hypervisor::Access;
using hypervisor::loopback::Hypercall;
using hypervisor::loopback::Operation;
using hypervisor::loopback::Request;
using hypervisor::loopback::Response;

// While one of these exists, the process can open two more descriptors: what UBSan needs to check
// the type of an exception.
class TwoDescriptors {
  public:
    TwoDescriptors() {
        CHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const sys::UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        const sys::UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        rlimit few = before_;
        few.rlim_cur = static_cast<rlim_t>(next.get()) + 1;
        CHECK(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    TwoDescriptors(const TwoDescriptors&) = delete;
    TwoDescriptors& operator=(const TwoDescriptors&) = delete;
    ~TwoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

// A machine played by the test, which answers when it wants.
class MachineByHand {
  public:
    explicit MachineByHand(const std::string& socket_path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
        listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        CHECK(::listen(listener_.get(), 8) == 0);
    }
    void accept() { connections.emplace_back(::accept(listener_.get(), nullptr, nullptr)); }
    Request next() {
        Request request;
        CHECK(::recv(connections.at(0).get(), &request, sizeof request, 0) == sizeof request);
        return request;
    }
    void answer(std::uint32_t value, std::span<const int> descriptors = {}) {
        const Response response{0, value, 0, 0};
        CHECK(hypervisor::loopback::send_packet(connections.at(0).get(),
                                                std::as_bytes(std::span(&response, 1)), descriptors,
                                                0) == 0);
    }
    std::vector<sys::UniqueFd> connections;

  private:
    sys::UniqueFd listener_;
};

Request of(Operation operation) {
    Request request;
    request.operation = static_cast<std::uint32_t>(operation);
    return request;
}

// The answer is lost for lack of descriptors, the connection is not: what the answer granted is
// released.
void no_room_for_an_answer() {
    TempDir root;
    MachineByHand machine(root.path + "/hypercall");
    Hypercall hypercall(root.path + "/hypercall");
    machine.accept();
    const auto expect = [&](Operation operation, std::uint32_t value, std::size_t descriptors) {
        const Request request = machine.next();
        CHECK(request.operation == static_cast<std::uint32_t>(operation));
        machine.answer(value, std::vector<int>(descriptors, machine.connections.at(0).get()));
        return request;
    };
    std::thread answering([&] {
        expect(Operation::kAllocateUnbound, 7, 3);
        CHECK(expect(Operation::kClosePort, 0, 0).port == 7);
        expect(Operation::kShare, 8, 1);
    });
    {
        const TwoDescriptors few;
        CHECK(errno_of([&] { hypercall.call(of(Operation::kAllocateUnbound), "call"); }) == EMFILE);
    }
    const auto answer = hypercall.call(of(Operation::kShare), "call");
    CHECK(answer.value == 8 && answer.fds.size() == 1);
    answering.join();
}

void late_answers() {
    TempDir root;
    MachineByHand machine(root.path + "/hypercall");
    Hypercall hypercall(root.path + "/hypercall", std::chrono::milliseconds(50));
    machine.accept();
    const auto call = [&](Operation operation) {
        return errno_of([&] { hypercall.call(of(operation), "call"); });
    };
    CHECK(call(Operation::kShare) == ETIMEDOUT);
    // It is known not to answer: calls fail without a request or a wait.
    CHECK(call(Operation::kFreePages) == ETIMEDOUT);
    hypercall.release(of(Operation::kUnmap));
    CHECK(machine.next().operation == static_cast<std::uint32_t>(Operation::kShare));
    CHECK(machine.next().operation == static_cast<std::uint32_t>(Operation::kUnmap));
    machine.answer(7);
    // No caller is left for the late answer: what it granted is released. That request is still
    // unanswered.
    CHECK(call(Operation::kFreePages) == ETIMEDOUT);
    machine.answer(0);
    const Request given_back = machine.next();
    CHECK(given_back.operation == static_cast<std::uint32_t>(Operation::kUnshare));
    CHECK(given_back.handle == 7);
    machine.answer(0);
    std::thread answering([&] {
        CHECK(machine.next().operation == static_cast<std::uint32_t>(Operation::kFreePages));
        machine.answer(12);
    });
    CHECK(hypercall.call(of(Operation::kFreePages), "call").value == 12);
    answering.join();
    machine.connections.clear();
    CHECK(call(Operation::kFreePages) == ENODEV);
}

// Of either connection: no thread waits on the one for memory.
void a_lost_connection_is_reported() {
    for (const bool for_memory : {true, false}) {
        TempDir root;
        MachineByHand machine(root.path + "/hypercall");
        const auto domain = hypervisor::loopback::connect_loopback(root.path);
        machine.accept();
        machine.accept();
        CHECK(contract::silent(*domain.doorbells));
        machine.connections.at(for_memory ? 0 : 1).reset();
        CHECK(errno_of([&] { contract::heard(*domain.doorbells); }) == ENODEV);
    }
}

// A connection that is lost because of what comes over it.
void a_malformed_answer_loses_the_connection() {
    TempDir root;
    MachineByHand machine(root.path + "/hypercall");
    const auto domain = hypervisor::loopback::connect_loopback(root.path);
    machine.accept();
    machine.accept();
    CHECK(::send(machine.connections.at(0).get(), "?", 1, 0) == 1);
    CHECK(errno_of([&] { static_cast<void>(domain.memory->free_pages()); }) == ENODEV);
    CHECK(errno_of([&] { contract::heard(*domain.doorbells); }) == ENODEV);
}

// A machine in a process of its own, with domains 0, 3 and 5.
class MachineProcess {
  public:
    explicit MachineProcess(const std::string& root) {
        int ready[2];
        CHECK(::pipe(ready) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            hypervisor::loopback::Machine machine{{}};
            for (const hypervisor::DomId domid : std::array<hypervisor::DomId, 3>{0, 3, 5}) {
                const std::string dir = root + "/" + std::to_string(domid);
                std::filesystem::create_directories(dir);
                machine.introduce(domid, dir + "/hypercall");
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
    MachineProcess(const MachineProcess&) = delete;
    MachineProcess& operator=(const MachineProcess&) = delete;
    ~MachineProcess() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    void stop() {
        ::kill(pid_, SIGSTOP);
        CHECK(::waitpid(pid_, nullptr, WUNTRACED) == pid_);
    }
    void go_on() { ::kill(pid_, SIGCONT); }

  private:
    pid_t pid_;
};

void a_machine_that_is_stopped() {
    TempDir root;
    MachineProcess machine(root.path);
    Domain hub(root.path, 0);
    Domain three(root.path, 3);
    Domain five(root.path, 5);
    const auto link_with = [&](Domain& guest, hypervisor::DomId domid) {
        const pump::Pump::Offer offer = guest.pump->offer(0, 16);
        const link::LinkId link = hub.pump->connect(domid, offer.ring_ref, offer.port);
        CHECK(hub.wait_for<link::LinkUp>(link));
        return std::pair(link, offer.link);
    };
    const auto [to_three, from_three] = link_with(three, 3);
    const auto [to_five, from_five] = link_with(five, 5);
    three.pump->set_exports(
        from_three, std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                        {"svc", 80, true, {sys::SocketKind::kUnix, three.dir + "/t", 0}}}));
    constexpr auto kSame = static_cast<std::uint32_t>(-1);
    hub.pump->listen(to_three, {"svc", 0}, sys::SocketKind::kUnix,
                     sys::listen_unix(hub.dir + "/svc", 0600, kSame, kSame));
    const Service service(three.dir + "/t", echo);
    CHECK(round_trip(hub.dir + "/svc", 100'000, 1));

    machine.stop();
    hub.pump->close_link(to_five, sys::Duration::zero());
    CHECK(five.wait_for<link::LinkDown>(from_five));
    pump::Pump::Offer offer{};
    const auto make_offer = [&] { offer = five.pump->offer(0, 16); };
    std::thread offering([&] { static_cast<void>(errno_of(make_offer)); });
    for (unsigned i = 0; i < 50; ++i) {
        CHECK(round_trip(hub.dir + "/svc", 100'000, i));
    }
    CHECK(!hub.has<pump::LinkReleased>(to_five) && !five.has<pump::LinkReleased>(from_five));
    CHECK(!hub.has<link::LinkDown>(to_three) && !three.has<link::LinkDown>(from_three));

    machine.go_on();
    offering.join();
    if (offer.port == 0) {
        make_offer();  // on a slow machine it may have timed out
    }
    CHECK(hub.wait_for<pump::LinkReleased>(to_five));
    CHECK(five.wait_for<pump::LinkReleased>(from_five));
    const link::LinkId again = hub.pump->connect(5, offer.ring_ref, offer.port);
    CHECK(hub.wait_for<link::LinkUp>(again));
    CHECK(round_trip(hub.dir + "/svc", 100'000, 2));
}

// The other end of a channel shares our open file: it makes it blocking and fills it.
void a_peer_cannot_make_a_notification_block() {
    TempDir root;
    hypervisor::loopback::Machine machine{{}};
    for (const hypervisor::DomId domid : std::array<hypervisor::DomId, 2>{0, 5}) {
        std::filesystem::create_directories(root.path + "/" + std::to_string(domid));
        machine.introduce(domid, root.path + "/" + std::to_string(domid) + "/hypercall");
    }
    const auto victim = hypervisor::loopback::connect_loopback(root.path + "/0");
    const auto port = victim.doorbells->allocate_unbound(5);
    Hypercall hostile(root.path + "/5/hypercall");
    Request bind = of(Operation::kBindInterdomain);
    bind.port = port;
    const auto answer = hostile.call(bind, "bind");
    for (const sys::UniqueFd& fd : answer.fds) {
        CHECK(::fcntl(fd.get(), F_SETFL, 0) == 0);
        // The largest value of an eventfd's counter.
        const std::uint64_t most = UINT64_MAX - 1;
        [[maybe_unused]] const ssize_t filled =
            ::send(fd.get(), &most, sizeof most, MSG_DONTWAIT) < 0
                ? ::write(fd.get(), &most, sizeof most)
                : 0;
    }
    // Neither the notifier blocks nor the machine, which runs unmap-notifies.
    for (int i = 0; i < 1'000; ++i) {
        victim.doorbells->notify(port);
    }
    const hypervisor::UnmapNotify notify{0, port};
    victim.memory->share(5, 1, Access::kReadWrite, &notify).reset();
    Request close = of(Operation::kClosePort);
    close.port = answer.value;
    hostile.release(close);
    CHECK(hostile.call(bind, "bind").value != 0);
}

}  // namespace

int main() {
    // First, and alone: it forks.
    tap::test("a machine that is stopped: traffic goes on, then links come again",
              a_machine_that_is_stopped);
    tap::test("an answer with more descriptors than this process can open costs that call only",
              no_room_for_an_answer);
    tap::test("what late answers grant is released", late_answers);
    tap::test("a lost connection is reported", a_lost_connection_is_reported);
    tap::test("a malformed answer loses the connection", a_malformed_answer_loses_the_connection);
    tap::test("a peer cannot make a notification block", a_peer_cannot_make_a_notification_block);
    return tap::done();
}

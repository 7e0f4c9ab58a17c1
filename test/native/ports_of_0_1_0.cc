// Lets a daemon of release 0.1.0 run in a domain of today's loopback machine. Hypercalls are the
// same but for ports: in 0.1.0 a port was two eventfds, one to wait for and one to write to, now it
// is one end of a pair of sockets (hypervisor/loopback/notification.h). Passes every datagram on,
// and carries notifications between the two kinds of port.
//
//   ports_of_0_1_0 SOCKET HYPERCALL_SOCKET
//
// Listens at the first path for the daemon, connects to the machine at the second. Ends when its
// standard input does, so that it does not outlive the test.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor/loopback/notification.h"
#include "hypervisor/loopback/packet.h"
#include "hypervisor/loopback/protocol.h"
#include "sys/error.h"
#include "sys/unique_fd.h"

namespace {

using namespace xsock;
using namespace xsock::hypervisor::loopback;

sys::UniqueFd make_socket() {
    return sys::UniqueFd(sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
}

sys::UniqueFd make_eventfd() {
    return sys::UniqueFd(sys::check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"));
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        sys::throw_errno("socket path", ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

struct Port {
    sys::UniqueFd socket;    // the machine's
    sys::UniqueFd inbound;   // the daemon waits for this one
    sys::UniqueFd outbound;  // and writes to this one
};

// One connection of the daemon to the machine. It makes one call at a time.
struct Connection {
    sys::UniqueFd daemon;
    sys::UniqueFd machine;
    Operation calling = Operation::kFreePages;
    std::map<std::uint32_t, Port> ports{};
    bool lost = false;

    void from_daemon() {
        std::array<std::byte, kMaxRequest> buffer;
        const Packet packet = receive_packet(daemon.get(), buffer, 0, 0);
        if (packet.error != 0 || packet.length < sizeof(Request)) {
            lose();
            return;
        }
        Request request;
        std::memcpy(&request, buffer.data(), sizeof request);
        calling = static_cast<Operation>(request.operation);
        if (calling == Operation::kClosePort) {
            to_machine(request.port);
            ports.erase(request.port);
        }
        if (send_packet(machine.get(), std::span(buffer).first(packet.length), {}, 0) != 0) {
            lose();
        }
    }
    void from_machine() {
        std::vector<std::byte> buffer(kMaxResponse);
        const Packet packet = receive_packet(machine.get(), buffer, kMaxRuns, 0);
        if (packet.error != 0 || packet.length < sizeof(Response)) {
            lose();
            return;
        }
        std::vector<int> fds;
        for (const sys::UniqueFd& fd : packet.fds) {
            fds.push_back(fd.get());
        }
        const bool is_port =
            calling == Operation::kAllocateUnbound || calling == Operation::kBindInterdomain;
        if (is_port && fds.size() == 1) {
            Response response;
            std::memcpy(&response, buffer.data(), sizeof response);
            Port port{sys::UniqueFd(::dup(fds[0])), make_eventfd(), make_eventfd()};
            fds = {port.inbound.get(), port.outbound.get()};
            ports.insert_or_assign(response.value, std::move(port));
        }
        if (send_packet(daemon.get(), std::span(buffer).first(packet.length), fds, 0) != 0) {
            lose();
        }
    }
    void to_machine(std::uint32_t number) {
        const auto it = ports.find(number);
        std::uint64_t count;
        if (it != ports.end() &&
            ::read(it->second.outbound.get(), &count, sizeof count) == sizeof count) {
            send_notification(it->second.socket);
        }
    }
    void to_daemon(std::uint32_t number) {
        if (const auto it = ports.find(number); it != ports.end()) {
            take_notifications(it->second.socket);
            const std::uint64_t one = 1;
            [[maybe_unused]] const ssize_t written =
                ::write(it->second.inbound.get(), &one, sizeof one);
        }
    }
    // What the daemon sent before it died arrives before the machine hears of its death.
    void lose() {
        for (const auto& [number, port] : ports) {
            to_machine(number);
        }
        lost = true;
    }
};

class Loop {
  public:
    void watch(const sys::UniqueFd& fd, std::function<void()> handle) {
        polled_.push_back({fd.get(), POLLIN, 0});
        handlers_.push_back(std::move(handle));
    }
    // Calls the handlers of those that are readable, and forgets all.
    void run_once() {
        sys::check(::poll(polled_.data(), polled_.size(), -1), "poll");
        for (std::size_t i = 0; i < polled_.size(); ++i) {
            if (polled_[i].revents != 0) {
                handlers_[i]();
            }
        }
        polled_.clear();
        handlers_.clear();
    }

  private:
    std::vector<pollfd> polled_;
    std::vector<std::function<void()>> handlers_;
};

void run(const std::string& socket_path, const std::string& machine_path) {
    const sys::UniqueFd input(STDIN_FILENO);
    const sys::UniqueFd listener = make_socket();
    const sockaddr_un own = address_of(socket_path);
    const sockaddr_un theirs = address_of(machine_path);
    sys::check(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), "bind");
    sys::check(::listen(listener.get(), 16), "listen");
    std::list<Connection> connections;
    bool wanted = true;
    while (wanted) {
        Loop loop;
        loop.watch(input, [&] {
            std::byte ignored;
            wanted = ::read(input.get(), &ignored, 1) > 0;
        });
        loop.watch(listener, [&] {
            sys::UniqueFd daemon(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            sys::UniqueFd machine = make_socket();
            if (daemon.valid() &&
                ::connect(machine.get(), reinterpret_cast<const sockaddr*>(&theirs),
                          sizeof theirs) == 0) {
                connections.push_back({std::move(daemon), std::move(machine)});
            }
        });
        for (Connection& connection : connections) {
            loop.watch(connection.daemon, [&] { connection.from_daemon(); });
            loop.watch(connection.machine, [&] { connection.from_machine(); });
            for (const auto& [number, port] : connection.ports) {
                loop.watch(port.outbound, [&, n = number] { connection.to_machine(n); });
                loop.watch(port.socket, [&, n = number] { connection.to_daemon(n); });
            }
        }
        loop.run_once();
        connections.remove_if([](const Connection& connection) { return connection.lost; });
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: ports_of_0_1_0 SOCKET HYPERCALL_SOCKET\n");
        return 2;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ports_of_0_1_0: %s\n", error.what());
        return 1;
    }
    return 0;
}

#include "hypervisor/loopback/machine.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "hypervisor/loopback/packet.h"
#include "hypervisor/loopback/protocol.h"
#include "sys/error.h"
#include "sys/thread_name.h"

namespace xsock::hypervisor::loopback {

namespace {

constexpr std::uint64_t kStopTag = 0;

sys::UniqueFd listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        sys::throw_errno("bind", ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    sys::UniqueFd fd(
        sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    // Before bind(): the socket file takes these rights, without a moment of weaker ones.
    sys::check(::fchmod(fd.get(), S_IRUSR | S_IWUSR), "fchmod");
    sys::check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
               "bind");
    sys::check(::listen(fd.get(), SOMAXCONN), "listen");
    return fd;
}

std::vector<std::byte> encode(const Reply& reply) {
    std::vector<std::byte> data(sizeof reply.response + reply.words.size() * sizeof(std::uint32_t));
    std::memcpy(data.data(), &reply.response, sizeof reply.response);
    if (!reply.words.empty()) {
        std::memcpy(data.data() + sizeof reply.response, reply.words.data(),
                    reply.words.size() * sizeof(std::uint32_t));
    }
    return data;
}

}  // namespace

Machine::Machine(const MachineLimits& limits)
    : limits_(limits),
      stop_(sys::check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      spare_(sys::check(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open")),
      channels_(limits.ports_per_domain) {
    epoll_.add(stop_.get(), EPOLLIN, kStopTag);
    thread_ = std::thread([this] {
        sys::name_thread("xsock-machine");
        run();
    });
}

Machine::~Machine() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
    for (const auto& [id, domain] : domains_) {
        ::unlink(domain.socket_path.c_str());
    }
    connections_.clear();
}

void Machine::introduce(DomId id, const std::string& socket_path) {
    const std::lock_guard lock(mutex_);
    if (domains_.contains(id)) {
        sys::throw_errno("introduce", EEXIST);
    }
    Domain domain{socket_path, listen_at(socket_path), next_tag_++, GrantTable(limits_.grants)};
    epoll_.add(domain.listener.get(), EPOLLIN, domain.tag);
    listeners_[domain.tag] = id;
    domains_.emplace(id, std::move(domain));
}

void Machine::destroy(DomId id) {
    const std::lock_guard lock(mutex_);
    const auto domain = domains_.find(id);
    if (domain == domains_.end()) {
        sys::throw_errno("destroy", ESRCH);
    }
    std::erase_if(connections_, [&](auto& entry) {
        if (entry.second.session->domain() != id) {
            return false;
        }
        entry.second.session->disarm();
        return true;
    });
    ::unlink(domain->second.socket_path.c_str());
    listeners_.erase(domain->second.tag);
    domains_.erase(domain);
}

std::size_t Machine::connections_of(DomId domain) const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(),
                      [&](const auto& entry) { return entry.second.session->domain() == domain; }));
}

std::vector<DomainCounts> Machine::counts() {
    const std::lock_guard lock(mutex_);
    std::vector<DomainCounts> result;
    for (auto& [id, domain] : domains_) {
        std::size_t mapped = 0;
        for (const auto& [tag, connection] : connections_) {
            mapped += connection.session->domain() == id ? connection.session->mapped_pages() : 0;
        }
        result.push_back(
            {id, domain.grants.count(), mapped, channels_.count(id), connections_of(id)});
    }
    return result;
}

void Machine::run() {
    std::array<epoll_event, 64> events;
    for (;;) {
        const std::size_t count = epoll_.wait(events, -1);
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < count; ++i) {
            if (events[i].data.u64 == kStopTag) {
                return;
            }
            on_ready(events[i].data.u64);
        }
    }
}

// Tags are never used twice, so an event of something that has gone in the meantime finds nothing.
void Machine::on_ready(std::uint64_t tag) {
    if (const auto listener = listeners_.find(tag); listener != listeners_.end()) {
        const auto domain = domains_.find(listener->second);
        accept_all(domain->first, domain->second);
        return;
    }
    const auto connection = connections_.find(tag);
    if (connection != connections_.end() && !serve(connection->second)) {
        connections_.erase(connection);
    }
}

void Machine::accept_all(DomId id, Domain& domain) {
    for (;;) {
        sys::UniqueFd socket(
            ::accept4(domain.listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.valid()) {
            if (errno == EMFILE || errno == ENFILE) {
                turn_away(domain.listener);
            }
            return;
        }
        if (connections_of(id) >= limits_.connections_per_domain) {
            continue;  // closed at once: the process sees end-of-file
        }
        const std::uint64_t tag = next_tag_++;
        try {
            epoll_.add(socket.get(), EPOLLIN, tag);
        } catch (const std::system_error&) {
            continue;  // out of watches: closed likewise
        }
        auto find_table = [this](DomId owner) -> GrantTable* {
            const auto it = domains_.find(owner);
            return it == domains_.end() ? nullptr : &it->second.grants;
        };
        connections_.emplace(
            tag, Connection{std::move(socket),
                            std::make_unique<Session>(id, std::move(find_table), channels_)});
    }
}

// Out of descriptors: accepts and closes, so that the client sees end-of-file and the listener does
// not stay readable.
void Machine::turn_away(const sys::UniqueFd& listener) {
    spare_.reset();
    sys::UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)).reset();
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool Machine::serve(Connection& connection) {
    std::array<std::byte, kMaxRequest> buffer;
    const int socket = connection.socket.get();
    for (;;) {
        // Passed descriptors are not part of any request: none are taken.
        const Packet packet = receive_packet(socket, buffer, 0, MSG_DONTWAIT);
        if (packet.error == EAGAIN) {
            return true;
        }
        if (packet.error != 0 || packet.length == 0) {
            return false;
        }
        const auto reply = connection.session->handle({buffer.data(), packet.length});
        // Nothing waits for a process that does not read its answers.
        if (!reply || send_packet(socket, encode(*reply), reply->fds, MSG_DONTWAIT) != 0) {
            return false;
        }
    }
}

}  // namespace xsock::hypervisor::loopback

// The loopback hypervisor: plays Xen for the domains of one machine. Domains come and go by
// introduce() and destroy(); their processes connect to the hypercall socket of their domain.
// Threads: hypercalls are answered on a thread of its own, so a process never waits for JavaScript.
// Every public function may be called from any other thread; one mutex guards all state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "hypervisor/loopback/event_channels.h"
#include "hypervisor/loopback/grant_table.h"
#include "hypervisor/loopback/session.h"
#include "sys/epoll.h"
#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

// The defaults are those of Xen and Linux, so that what works here works there.
struct MachineLimits {
    GrantLimits grants{.pages = 1024, .maps_per_grant = 64};
    std::size_t ports_per_domain = 1016;
    std::size_t connections_per_domain = 256;
};

struct DomainCounts {
    DomId domain;
    std::size_t grants;
    std::size_t mappings;
    std::size_t event_channels;
    std::size_t connections;
};

class Machine {
  public:
    explicit Machine(const MachineLimits& limits);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Binds the domain's hypercall socket (mode 0600) at `socket_path`. Throws std::system_error:
    // EEXIST: the domain exists already; else the errno of socket() or bind().
    void introduce(DomId domain, const std::string& socket_path);
    // As Xen leaves a destroyed domain: its connections end without unmap-notify and without an
    // event; what peers have mapped of it stays mapped; their ports become unbound for its domid.
    // ESRCH: no such domain.
    void destroy(DomId domain);
    [[nodiscard]] std::vector<DomainCounts> counts();

  private:
    struct Domain {
        std::string socket_path;
        sys::UniqueFd listener;
        std::uint64_t tag;
        GrantTable grants;
    };
    struct Connection {
        sys::UniqueFd socket;
        std::unique_ptr<Session> session;
    };

    void run();
    void on_ready(std::uint64_t tag);
    void accept_all(DomId id, Domain& domain);
    void turn_away(const sys::UniqueFd& listener);
    // False: the connection has ended or must end.
    bool serve(Connection& connection);
    [[nodiscard]] std::size_t connections_of(DomId domain) const;

    MachineLimits limits_;
    sys::Epoll epoll_;
    sys::UniqueFd stop_;
    sys::UniqueFd spare_;  // closed for a moment when the process is out of descriptors
    std::mutex mutex_;
    EventChannels channels_;
    std::map<DomId, Domain> domains_;
    std::map<std::uint64_t, DomId> listeners_;
    // After channels_ and domains_, so destroyed before them: sessions release what they hold
    // there.
    std::map<std::uint64_t, Connection> connections_;
    std::uint64_t next_tag_ = 1;
    std::thread thread_;
};

}  // namespace xsock::hypervisor::loopback

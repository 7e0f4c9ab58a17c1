// One hypercall connection: what its process holds (shares, mappings, ports), and how that is
// released, by the process or because it died. Machine state, guarded by its mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "hypervisor/loopback/event_channels.h"
#include "hypervisor/loopback/grant_table.h"
#include "hypervisor/loopback/protocol.h"

namespace xsock::hypervisor::loopback {

// Finds the grant table of a domain; null if there is no such domain.
using FindTable = std::function<GrantTable*(DomId)>;

// The answer to the process: the datagram and the descriptors passed with it. `pages` and `ports`
// keep those open until it is sent.
struct Reply {
    Response response;
    std::vector<std::uint32_t> words;
    std::vector<int> fds;
    std::vector<std::shared_ptr<const Block>> pages;
    std::shared_ptr<Port> port;
};

class Session {
  public:
    Session(DomId domain, FindTable find_table, EventChannels& channels)
        : domain_(domain), find_table_(std::move(find_table)), channels_(channels) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    // Releases what is still held, as Linux does for a process that died: unmap-notifies run.
    ~Session();

    // The answer to one datagram. Nothing if it is malformed: the connection must be closed.
    std::optional<Reply> handle(std::span<const std::byte> datagram);
    // The domain is being destroyed: from now on no unmap-notify runs (measured on Xen 4.17).
    void disarm() noexcept { disarmed_ = true; }

    [[nodiscard]] DomId domain() const noexcept { return domain_; }
    [[nodiscard]] std::size_t mapped_pages() const noexcept;

  private:
    struct Notify {
        std::uint32_t offset = kNoNotify;
        std::shared_ptr<Port> port;
    };
    struct Shared {
        std::shared_ptr<const Block> block;
        std::vector<GrantRef> refs;
        Notify notify;
    };
    struct Mapped {
        MappedGrants grants;
        Notify notify;
    };

    Reply dispatch(const Request& request, std::span<const GrantRef> refs);
    Reply share(const Request& request);
    Reply map(const Request& request, std::span<const GrantRef> refs);
    Reply allocate_unbound(const Request& request);
    Reply bind_interdomain(const Request& request);
    Reply hold(std::shared_ptr<Port> port);
    void unshare(std::uint32_t handle);
    void unmap(std::uint32_t handle);
    void close_port(EventChannelPort number);

    Notify take_notify(const Request& request, std::size_t bytes);
    void run(const Notify& notify, const Block& block, std::uint32_t page) noexcept;
    void release(Shared& shared);
    void release(Mapped& mapped);

    DomId domain_;
    FindTable find_table_;
    EventChannels& channels_;
    bool disarmed_ = false;
    std::uint32_t next_handle_ = 1;
    std::map<std::uint32_t, Shared> shares_;
    std::map<std::uint32_t, Mapped> mappings_;
    std::map<EventChannelPort, std::shared_ptr<Port>> ports_;
};

}  // namespace xsock::hypervisor::loopback

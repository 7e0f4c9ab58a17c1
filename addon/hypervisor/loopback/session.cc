#include "hypervisor/loopback/session.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/error.h"

namespace xsock::hypervisor::loopback {

namespace {

// First domid that Xen keeps for itself (DOMID_FIRST_RESERVED, xen/public/xen.h).
constexpr std::uint32_t kFirstReserved = 0x7ff0;

Access access_of(const Request& request) {
    return request.access == kReadWrite ? Access::kReadWrite : Access::kReadOnly;
}

// The form of a datagram, checked before its meaning.
bool well_formed(const Request& request, std::size_t length) {
    const bool maps = request.operation == static_cast<std::uint32_t>(Operation::kMap);
    const bool counts = maps || request.operation == static_cast<std::uint32_t>(Operation::kShare);
    return request.peer < kFirstReserved && request.access <= kReadWrite &&
           (counts ? request.count >= 1 && request.count <= kMaxPages : request.count == 0) &&
           length == sizeof request + (maps ? request.count * sizeof(GrantRef) : 0);
}

}  // namespace

Session::~Session() {
    for (auto& [handle, mapped] : mappings_) {
        release(mapped);
    }
    for (auto& [handle, shared] : shares_) {
        release(shared);
    }
    for (const auto& [number, port] : ports_) {
        channels_.close(port);
    }
}

std::size_t Session::mapped_pages() const noexcept {
    std::size_t pages = 0;
    for (const auto& [handle, mapped] : mappings_) {
        pages += mapped.grants.size();
    }
    return pages;
}

std::optional<Reply> Session::handle(std::span<const std::byte> datagram) {
    Request request;
    if (datagram.size() < sizeof request) {
        return std::nullopt;
    }
    std::memcpy(&request, datagram.data(), sizeof request);
    if (!well_formed(request, datagram.size())) {
        return std::nullopt;
    }
    std::vector<GrantRef> refs((datagram.size() - sizeof request) / sizeof(GrantRef));
    if (!refs.empty()) {
        std::memcpy(refs.data(), datagram.data() + sizeof request, refs.size() * sizeof(GrantRef));
    }
    try {
        return dispatch(request, refs);
    } catch (const std::system_error& error) {
        Reply reply;
        reply.response.error = static_cast<std::uint32_t>(error.code().value());
        return reply;
    }
}

Reply Session::dispatch(const Request& request, std::span<const GrantRef> refs) {
    switch (static_cast<Operation>(request.operation)) {
        case Operation::kShare:
            return share(request);
        case Operation::kUnshare:
            unshare(request.handle);
            return {};
        case Operation::kMap:
            return map(request, refs);
        case Operation::kUnmap:
            unmap(request.handle);
            return {};
        case Operation::kAllocateUnbound:
            return allocate_unbound(request);
        case Operation::kBindInterdomain:
            return bind_interdomain(request);
        case Operation::kClosePort:
            close_port(request.port);
            return {};
        case Operation::kFreePages: {
            GrantTable* const table = find_table_(domain_);
            Reply reply;
            reply.response.value =
                table == nullptr ? 0 : static_cast<std::uint32_t>(table->free_pages());
            return reply;
        }
    }
    sys::throw_errno("hypercall", ENOSYS);
}

Reply Session::share(const Request& request) {
    GrantTable* const table = find_table_(domain_);
    if (table == nullptr) {
        sys::throw_errno("share", ESRCH);
    }
    const Notify notify = take_notify(request, request.count * kPageSize);
    GrantTable::Shared shared;
    try {
        shared = table->share(static_cast<DomId>(request.peer), request.count, access_of(request));
    } catch (...) {
        if (notify.port != nullptr) {
            channels_.unpin(notify.port);
        }
        throw;
    }
    Reply reply;
    reply.response.value = next_handle_;
    reply.response.count = static_cast<std::uint32_t>(shared.refs.size());
    reply.words = shared.refs;
    reply.fds.push_back(shared.block->writable().get());
    reply.pages.push_back(shared.block);
    shares_[next_handle_++] = {std::move(shared.block), std::move(shared.refs), notify};
    return reply;
}

Reply Session::map(const Request& request, std::span<const GrantRef> refs) {
    GrantTable* const table = find_table_(static_cast<DomId>(request.peer));
    if (table == nullptr) {
        sys::throw_errno("map", ENOENT);
    }
    const Access access = access_of(request);
    if (access == Access::kReadOnly && request.notify_offset != kNoNotify) {
        sys::throw_errno("map", EINVAL);  // gntdev: a byte cannot be cleared in a read-only page
    }
    Mapped mapped{table->map(domain_, refs, access), {}};
    Reply reply;
    const Block* last = nullptr;
    std::uint32_t next_page = 0;
    for (const auto& grant : mapped.grants) {
        if (grant->block.get() == last && grant->page == next_page) {
            ++reply.words.back();
        } else {
            const auto& fd =
                access == Access::kReadWrite ? grant->block->writable() : grant->block->read_only();
            reply.fds.push_back(fd.get());
            reply.pages.push_back(grant->block);
            reply.words.push_back(grant->page);
            reply.words.push_back(1);
        }
        last = grant->block.get();
        next_page = grant->page + 1;
    }
    try {
        if (reply.fds.size() > kMaxRuns) {
            sys::throw_errno("map", E2BIG);
        }
        mapped.notify = take_notify(request, refs.size() * kPageSize);
    } catch (...) {
        loopback::unmap(mapped.grants);
        throw;
    }
    reply.response.value = next_handle_;
    reply.response.count = static_cast<std::uint32_t>(reply.fds.size());
    mappings_[next_handle_++] = std::move(mapped);
    return reply;
}

Reply Session::allocate_unbound(const Request& request) {
    return hold(channels_.allocate_unbound(domain_, static_cast<DomId>(request.peer)));
}

Reply Session::bind_interdomain(const Request& request) {
    return hold(
        channels_.bind_interdomain(domain_, static_cast<DomId>(request.peer), request.port));
}

Reply Session::hold(std::shared_ptr<Port> port) {
    Reply reply;
    reply.response.value = port->number;
    reply.fds = {port->own->get()};
    reply.port = port;
    ports_[port->number] = std::move(port);
    return reply;
}

void Session::unshare(std::uint32_t handle) {
    const auto it = shares_.find(handle);
    if (it == shares_.end()) {
        sys::throw_errno("unshare", EINVAL);
    }
    release(it->second);
    shares_.erase(it);
}

void Session::unmap(std::uint32_t handle) {
    const auto it = mappings_.find(handle);
    if (it == mappings_.end()) {
        sys::throw_errno("unmap", EINVAL);
    }
    release(it->second);
    mappings_.erase(it);
}

void Session::close_port(EventChannelPort number) {
    const auto it = ports_.find(number);
    if (it == ports_.end()) {
        sys::throw_errno("close", ENOTCONN);
    }
    channels_.close(it->second);
    ports_.erase(it);
}

Session::Notify Session::take_notify(const Request& request, std::size_t bytes) {
    Notify notify;
    if (request.notify_offset == kNoNotify) {
        return notify;
    }
    if (request.notify_offset >= bytes) {
        sys::throw_errno("unmap-notify", EINVAL);
    }
    notify.offset = request.notify_offset;
    if (request.notify_port != 0) {
        notify.port = channels_.pin(domain_, request.notify_port);
        if (notify.port == nullptr) {
            sys::throw_errno("unmap-notify", EINVAL);
        }
    }
    return notify;
}

// The byte first, then the notification: whoever receives it finds the byte cleared.
void Session::run(const Notify& notify, const Block& block, std::uint32_t page) noexcept {
    if (notify.offset != kNoNotify && !disarmed_) {
        block.clear_byte(page * static_cast<std::uint32_t>(kPageSize) + notify.offset);
    }
    if (notify.port == nullptr) {
        return;
    }
    if (!disarmed_) {
        channels_.ring(notify.port);
    }
    channels_.unpin(notify.port);
}

void Session::release(Shared& shared) {
    run(shared.notify, *shared.block, 0);
    if (GrantTable* const table = find_table_(domain_)) {
        table->unshare(shared.refs);
    }
}

void Session::release(Mapped& mapped) {
    run(mapped.notify, *mapped.grants.front()->block, mapped.grants.front()->page);
    loopback::unmap(mapped.grants);
}

}  // namespace xsock::hypervisor::loopback

#include "hypervisor/loopback/grant_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "sys/error.h"

namespace xsock::hypervisor::loopback {

Block::Block(std::size_t pages) {
    writable_.reset(
        sys::check(::memfd_create("xsock-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create"));
    sys::check(::ftruncate(writable_.get(), static_cast<off_t>(pages * kPageSize)), "ftruncate");
    sys::check(::fcntl(writable_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
               "fcntl(F_ADD_SEALS)");
    // The holder of the read-only descriptor must not reopen it for writing through /proc.
    sys::check(::fchmod(writable_.get(), S_IRUSR), "fchmod");
    const std::string path = "/proc/self/fd/" + std::to_string(writable_.get());
    read_only_.reset(sys::check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open"));
}

void Block::clear_byte(std::uint32_t offset) const noexcept {
    const char zero = 0;
    [[maybe_unused]] const ssize_t written =
        ::pwrite(writable_.get(), &zero, 1, static_cast<off_t>(offset));
}

GrantRef GrantTable::next_free() {
    // The reference that was freed last, as in Linux (drivers/xen/grant-table.c, get_free_entries):
    // what mistakes a reused number for the earlier grant fails here too.
    if (freed_.empty()) {
        return ++highest_;
    }
    const GrantRef ref = freed_.back();
    freed_.pop_back();
    return ref;
}

GrantTable::Shared GrantTable::share(DomId peer, std::size_t pages, Access access) {
    if (count() + pages > limits_.pages) {
        sys::throw_errno("share", ENOSPC);
    }
    Shared shared{std::make_shared<const Block>(pages), {}};
    for (std::uint32_t page = 0; page < pages; ++page) {
        const GrantRef ref = next_free();
        grants_[ref] = std::make_shared<Grant>(Grant{peer, access, shared.block, page, 0, false});
        shared.refs.push_back(ref);
    }
    return shared;
}

void GrantTable::unshare(std::span<const GrantRef> refs) {
    for (const GrantRef ref : refs) {
        const auto it = grants_.find(ref);
        if (it == grants_.end()) {
            continue;
        }
        it->second->ended = true;
        ended_.emplace_back(ref, it->second);
        grants_.erase(it);
    }
    release_unmapped();
}

MappedGrants GrantTable::map(DomId by, std::span<const GrantRef> refs, Access access) {
    MappedGrants mapped;
    for (const GrantRef ref : refs) {
        const auto it = grants_.find(ref);
        if (it == grants_.end()) {
            sys::throw_errno("map", ENOENT);
        }
        const Grant& grant = *it->second;
        if (grant.peer != by ||
            (access == Access::kReadWrite && grant.access == Access::kReadOnly)) {
            sys::throw_errno("map", EACCES);
        }
        if (grant.maps >= limits_.maps_per_grant) {
            sys::throw_errno("map", ENOSPC);
        }
        mapped.push_back(it->second);
    }
    for (const auto& grant : mapped) {
        ++grant->maps;
    }
    return mapped;
}

std::size_t GrantTable::count() {
    release_unmapped();
    return grants_.size() + ended_.size();
}

// A reference stays in use as long as the peer has its page mapped.
void GrantTable::release_unmapped() {
    std::erase_if(ended_, [this](const auto& ended) {
        const auto& [ref, grant] = ended;
        if (grant->maps > 0) {
            return false;
        }
        freed_.push_back(ref);
        return true;
    });
}

void unmap(const MappedGrants& grants) noexcept {
    for (const auto& grant : grants) {
        --grant->maps;
    }
}

}  // namespace xsock::hypervisor::loopback

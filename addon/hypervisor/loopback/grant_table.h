// One domain's grant table: which other domain may map which of its pages. Machine state, guarded
// by its mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "hypervisor/hypervisor.h"
#include "sys/unique_fd.h"

namespace xsock::hypervisor::loopback {

// The pages of one share call: a memfd that nobody can resize, so that no peer's truncation can
// make another's access a SIGBUS.
class Block {
  public:
    explicit Block(std::size_t pages);
    [[nodiscard]] const sys::UniqueFd& writable() const noexcept { return writable_; }
    // The same file opened O_RDONLY: no mapping of it can be made writable.
    [[nodiscard]] const sys::UniqueFd& read_only() const noexcept { return read_only_; }
    void clear_byte(std::uint32_t offset) const noexcept;

  private:
    sys::UniqueFd writable_;
    sys::UniqueFd read_only_;
};

struct Grant {
    DomId peer = 0;
    Access access = Access::kReadOnly;
    std::shared_ptr<const Block> block;
    std::uint32_t page = 0;
    std::uint32_t maps = 0;
    bool ended = false;
};

// A successful map() call: its grants count as mapped until this is destroyed.
using MappedGrants = std::vector<std::shared_ptr<Grant>>;

struct GrantLimits {
    // Pages of one domain (gntalloc's `limit`), ended ones included while a peer still maps them.
    std::size_t pages;
    // Mappings of one grant at a time (Xen's limit for a PV domain).
    std::size_t maps_per_grant;
};

// Errors are std::system_error with the errno named.
class GrantTable {
  public:
    explicit GrantTable(GrantLimits limits) : limits_(limits) {}

    struct Shared {
        std::shared_ptr<const Block> block;
        std::vector<GrantRef> refs;
    };
    // ENOSPC: over the limit of pages.
    Shared share(DomId peer, std::size_t pages, Access access);
    // Ends the grants; a peer that has them mapped keeps its mapping.
    void unshare(std::span<const GrantRef> refs);
    // ENOENT: a reference that is not in use. EACCES: granted to somebody else, or read-only and
    // asked for read-write. ENOSPC: mapped too often. All or nothing.
    MappedGrants map(DomId by, std::span<const GrantRef> refs, Access access);

    // Pages granted, including those that were ended and are still mapped.
    [[nodiscard]] std::size_t count();
    [[nodiscard]] std::size_t free_pages() { return limits_.pages - count(); }

  private:
    GrantRef next_free();
    void release_unmapped();

    GrantLimits limits_;
    std::map<GrantRef, std::shared_ptr<Grant>> grants_;
    std::vector<std::pair<GrantRef, std::shared_ptr<Grant>>> ended_;  // while they are mapped
    std::vector<GrantRef> freed_;
    // Linux keeps the first references for itself (GNTTAB_NR_RESERVED_ENTRIES).
    GrantRef highest_ = 7;
};

void unmap(const MappedGrants& grants) noexcept;

}  // namespace xsock::hypervisor::loopback

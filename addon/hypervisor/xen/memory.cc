#include "hypervisor/xen/memory.h"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "hypervisor/xen/device_error.h"
#include "hypervisor/xen/library.h"
#include "sys/error.h"

namespace xsock::hypervisor::xen {

namespace {

// Mapping a page that its owner has paged out fails with EAGAIN for a moment.
constexpr int kMapAttempts = 100;
// Pages that gntalloc grants for the whole domain; root may change it at any time.
constexpr const char* kLimitFile = "/sys/module/xen_gntalloc/parameters/limit";
constexpr std::size_t kDefaultLimit = 1024;

// Shared by the pages that were granted or mapped through the handles, so that these stay open as
// long as such pages exist.
struct Devices {
    std::atomic<std::size_t> shared_pages{0};

    Devices() : library(grant_library()) {
        gntshr = library.gntshr_open(nullptr, 0);
        if (gntshr == nullptr) {
            throw_device_error("gntalloc", errno);
        }
        gnttab = library.gnttab_open(nullptr, 0);
        if (gnttab == nullptr) {
            const int error = errno;
            library.gntshr_close(gntshr);
            throw_device_error("gntdev", error);
        }
    }
    Devices(const Devices&) = delete;
    Devices& operator=(const Devices&) = delete;
    ~Devices() {
        library.gnttab_close(gnttab);
        library.gntshr_close(gntshr);
    }

    const GrantLibrary& library;
    GntShr* gntshr = nullptr;
    GntTab* gnttab = nullptr;
};

class XenShared final : public SharedPages {
  public:
    XenShared(std::shared_ptr<Devices> devices, void* start, std::vector<GrantRef> refs)
        : devices_(std::move(devices)), start_(start), refs_(std::move(refs)) {
        devices_->shared_pages += refs_.size();
    }
    XenShared(const XenShared&) = delete;
    XenShared& operator=(const XenShared&) = delete;
    ~XenShared() override {
        devices_->library.unshare(devices_->gntshr, start_,
                                  static_cast<std::uint32_t>(refs_.size()));
        devices_->shared_pages -= refs_.size();
    }
    [[nodiscard]] std::span<std::byte> bytes() noexcept override {
        return {static_cast<std::byte*>(start_), refs_.size() * kPageSize};
    }
    [[nodiscard]] std::span<const GrantRef> refs() const noexcept override { return refs_; }

  private:
    std::shared_ptr<Devices> devices_;
    void* start_;
    std::vector<GrantRef> refs_;
};

class XenMapped final : public MappedPages {
  public:
    XenMapped(std::shared_ptr<Devices> devices, void* start, std::size_t pages)
        : devices_(std::move(devices)), start_(start), pages_(pages) {}
    XenMapped(const XenMapped&) = delete;
    XenMapped& operator=(const XenMapped&) = delete;
    ~XenMapped() override {
        devices_->library.unmap(devices_->gnttab, start_, static_cast<std::uint32_t>(pages_));
    }
    [[nodiscard]] std::span<std::byte> bytes() noexcept override {
        return {static_cast<std::byte*>(start_), pages_ * kPageSize};
    }

  private:
    std::shared_ptr<Devices> devices_;
    void* start_;
    std::size_t pages_;
};

class XenMemory final : public GrantedMemory {
  public:
    [[nodiscard]] std::size_t free_pages() const override {
        std::size_t limit = kDefaultLimit;
        std::ifstream(kLimitFile) >> limit;
        const std::size_t shared = devices_->shared_pages;
        return limit > shared ? limit - shared : 0;
    }
    std::unique_ptr<SharedPages> share(DomId peer, std::size_t pages, Access access,
                                       const UnmapNotify* notify) override {
        const GrantLibrary& library = devices_->library;
        const int writable = access == Access::kReadWrite ? 1 : 0;
        std::vector<GrantRef> refs(pages);
        if (notify != nullptr && pages != 1) {
            sys::throw_errno("share", EINVAL);  // gntalloc: one page has one unmap-notify
        }
        void* const start =
            notify == nullptr ? library.share_pages(devices_->gntshr, peer, static_cast<int>(pages),
                                                    refs.data(), writable)
                              : library.share_page_notify(devices_->gntshr, peer, refs.data(),
                                                          writable, notify->offset, notify->port);
        if (start == nullptr) {
            sys::throw_errno("share (gntalloc)");
        }
        std::memset(start, 0, pages * kPageSize);
        return std::make_unique<XenShared>(devices_, start, std::move(refs));
    }

    std::unique_ptr<MappedPages> map(DomId owner, std::span<const GrantRef> refs, Access access,
                                     const UnmapNotify* notify) override {
        if (refs.empty() || (notify != nullptr && refs.size() != 1)) {
            sys::throw_errno("map", EINVAL);
        }
        std::vector<GrantRef> wanted(refs.begin(), refs.end());
        for (int attempt = 1;; ++attempt) {
            void* const start = map_once(owner, wanted, access, notify);
            if (start != nullptr) {
                return std::make_unique<XenMapped>(devices_, start, refs.size());
            }
            if (errno != EAGAIN || attempt == kMapAttempts) {
                sys::throw_errno("map (gntdev)");
            }
        }
    }

  private:
    void* map_once(DomId owner, std::vector<GrantRef>& refs, Access access,
                   const UnmapNotify* notify) {
        const GrantLibrary& library = devices_->library;
        const int protection = access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ;
        if (notify != nullptr) {
            return library.map_ref_notify(devices_->gnttab, owner, refs.front(), protection,
                                          notify->offset, notify->port);
        }
        return library.map_refs(devices_->gnttab, static_cast<std::uint32_t>(refs.size()), owner,
                                refs.data(), protection);
    }

    std::shared_ptr<Devices> devices_ = std::make_shared<Devices>();
};

}  // namespace

std::unique_ptr<GrantedMemory> open_memory() {
    return std::make_unique<XenMemory>();
}

}  // namespace xsock::hypervisor::xen

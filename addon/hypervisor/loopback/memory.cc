#include "hypervisor/loopback/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "sys/error.h"
#include "sys/mapping.h"

namespace xsock::hypervisor::loopback {

namespace {

Request make_request(Operation operation, DomId peer, std::size_t count, Access access,
                     const UnmapNotify* notify) {
    Request request;
    request.operation = static_cast<std::uint32_t>(operation);
    request.peer = peer;
    request.count = static_cast<std::uint32_t>(count);
    request.access = access == Access::kReadWrite ? kReadWrite : kReadOnly;
    if (notify != nullptr) {
        request.notify_offset = notify->offset;
        request.notify_port = notify->port;
    }
    return request;
}

// What the machine holds for us under a handle; released on destruction.
class Holding {
  public:
    Holding(std::shared_ptr<Hypercall> hypercall, Operation release, std::uint32_t handle)
        : hypercall_(std::move(hypercall)), release_(release), handle_(handle) {}
    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;
    ~Holding() {
        Request request;
        request.operation = static_cast<std::uint32_t>(release_);
        request.handle = handle_;
        hypercall_->release(request);
    }

  private:
    std::shared_ptr<Hypercall> hypercall_;
    Operation release_;
    std::uint32_t handle_;
};

class LoopbackShared final : public SharedPages {
  public:
    LoopbackShared(std::shared_ptr<Hypercall> hypercall, Answer answer)
        : holding_(std::move(hypercall), Operation::kUnshare, answer.value),
          refs_(std::move(answer.words)),
          mapping_(sys::Mapping::shared(answer.fds.at(0).get(), refs_.size() * kPageSize,
                                        PROT_READ | PROT_WRITE)) {}
    [[nodiscard]] std::span<std::byte> bytes() noexcept override { return mapping_.bytes(); }
    [[nodiscard]] std::span<const GrantRef> refs() const noexcept override { return refs_; }

  private:
    Holding holding_;
    std::vector<GrantRef> refs_;
    sys::Mapping mapping_;
};

// One contiguous mapping, made run by run from the files that contain the pages.
sys::Mapping map_runs(const Answer& answer, std::size_t pages, int protection) {
    void* const base =
        ::mmap(nullptr, pages * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        sys::throw_errno("mmap");
    }
    sys::Mapping range(base, pages * kPageSize);
    std::size_t filled = 0;
    for (std::size_t run = 0; run < answer.count; ++run) {
        const std::size_t first = answer.words.at(2 * run);
        const std::size_t length = answer.words.at(2 * run + 1);
        if (length > pages - filled) {
            sys::throw_errno("map", EPROTO);
        }
        if (::mmap(range.bytes().data() + filled * kPageSize, length * kPageSize, protection,
                   MAP_SHARED | MAP_FIXED, answer.fds.at(run).get(),
                   static_cast<off_t>(first * kPageSize)) == MAP_FAILED) {
            sys::throw_errno("mmap");
        }
        filled += length;
    }
    return range;
}

class LoopbackMapped final : public MappedPages {
  public:
    LoopbackMapped(std::shared_ptr<Hypercall> hypercall, const Answer& answer, std::size_t pages,
                   Access access)
        : holding_(std::move(hypercall), Operation::kUnmap, answer.value),
          mapping_(map_runs(answer, pages,
                            access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ)) {}
    [[nodiscard]] std::span<std::byte> bytes() noexcept override { return mapping_.bytes(); }

  private:
    Holding holding_;
    sys::Mapping mapping_;
};

class LoopbackMemory final : public GrantedMemory {
  public:
    explicit LoopbackMemory(std::shared_ptr<Hypercall> hypercall)
        : hypercall_(std::move(hypercall)) {}

    [[nodiscard]] std::size_t free_pages() const override {
        Request request;
        request.operation = static_cast<std::uint32_t>(Operation::kFreePages);
        return hypercall_->call(request, "free pages").value;
    }
    std::unique_ptr<SharedPages> share(DomId peer, std::size_t pages, Access access,
                                       const UnmapNotify* notify) override {
        const auto request = make_request(Operation::kShare, peer, pages, access, notify);
        return std::make_unique<LoopbackShared>(hypercall_, hypercall_->call(request, "share"));
    }
    std::unique_ptr<MappedPages> map(DomId owner, std::span<const GrantRef> refs, Access access,
                                     const UnmapNotify* notify) override {
        if (refs.empty() || refs.size() > kMaxPages) {
            sys::throw_errno("map", EINVAL);
        }
        const auto request = make_request(Operation::kMap, owner, refs.size(), access, notify);
        return std::make_unique<LoopbackMapped>(hypercall_, hypercall_->call(request, "map", refs),
                                                refs.size(), access);
    }

  private:
    std::shared_ptr<Hypercall> hypercall_;
};

}  // namespace

std::unique_ptr<GrantedMemory> make_memory(std::shared_ptr<Hypercall> hypercall) {
    return std::make_unique<LoopbackMemory>(std::move(hypercall));
}

}  // namespace xsock::hypervisor::loopback

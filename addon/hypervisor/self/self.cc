#include "hypervisor/self/self.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <utility>

#include "sys/error.h"
#include "sys/mapping.h"
#include "sys/unique_fd.h"

namespace xsock::hypervisor {

namespace {

class SelfDoorbells final : public Doorbells {
  public:
    SelfDoorbells() : ready_(sys::check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")) {}

    [[nodiscard]] int fd() const noexcept override { return ready_.get(); }
    EventChannelPort allocate_unbound(DomId) override {
        ports_[next_] = Port{};
        return next_++;
    }
    EventChannelPort bind_interdomain(DomId, EventChannelPort peer_port) override {
        const auto it = ports_.find(peer_port);
        if (it == ports_.end() || it->second.other != 0) {
            sys::throw_errno("bind_interdomain", EINVAL);
        }
        const EventChannelPort port = next_++;
        it->second.other = port;
        ports_[port] = Port{.other = peer_port};
        set_pending(port);
        return port;
    }
    void close(EventChannelPort port) noexcept override {
        const auto it = ports_.find(port);
        if (it == ports_.end()) {
            return;
        }
        const auto other = ports_.find(it->second.other);
        if (other != ports_.end()) {
            other->second.other = 0;
        }
        ports_.erase(it);
    }
    void notify(EventChannelPort port) noexcept override {
        const auto it = ports_.find(port);
        if (it != ports_.end() && it->second.other != 0) {
            set_pending(it->second.other);
        }
    }

    std::size_t drain(std::span<EventChannelPort> out) override {
        std::uint64_t count;
        [[maybe_unused]] const ssize_t got = ::read(ready_.get(), &count, sizeof count);
        std::size_t filled = 0;
        bool more = false;
        for (auto& [number, port] : ports_) {
            if (!port.pending || port.masked) {
                continue;
            }
            if (filled == out.size()) {
                more = true;
                break;
            }
            port.pending = false;
            port.masked = true;
            out[filled++] = number;
        }
        if (more) {
            wake();
        }
        return filled;
    }
    void unmask(EventChannelPort number) noexcept override {
        const auto it = ports_.find(number);
        if (it == ports_.end()) {
            return;
        }
        it->second.masked = false;
        if (it->second.pending) {
            wake();
        }
    }

  private:
    struct Port {
        EventChannelPort other = 0;
        bool pending = false;
        bool masked = false;
    };

    void set_pending(EventChannelPort number) noexcept {
        const auto it = ports_.find(number);
        if (it == ports_.end()) {
            return;
        }
        it->second.pending = true;
        if (!it->second.masked) {
            wake();
        }
    }
    void wake() noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(ready_.get(), &one, sizeof one);
    }

    sys::UniqueFd ready_;
    std::map<EventChannelPort, Port> ports_;
    EventChannelPort next_ = 1;
};

// The pages of one share() call; both ends hold them as long as they need them.
using Block = std::shared_ptr<sys::Mapping>;

struct Grant {
    Block block;
    std::size_t offset;
    Access access;
};

// Shared by the memory object and the pages that it granted, so that they may be destroyed in any
// order.
struct GrantTable {
    std::map<GrantRef, Grant> grants;
    GrantRef next = 1;
};

// Runs the unmap-notify of its holder when destroyed.
class Notifier {
  public:
    Notifier(SelfDoorbells& doorbells, Block block, const UnmapNotify* notify)
        : doorbells_(doorbells), block_(std::move(block)) {
        if (notify != nullptr) {
            notify_ = *notify;
        }
    }
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;
    ~Notifier() {
        if (notify_) {
            block_->bytes()[notify_->offset] = std::byte{0};
            doorbells_.notify(notify_->port);
        }
    }

  private:
    SelfDoorbells& doorbells_;
    Block block_;
    std::optional<UnmapNotify> notify_;
};

class SelfShared final : public SharedPages {
  public:
    SelfShared(std::shared_ptr<GrantTable> table, SelfDoorbells& doorbells, std::size_t pages,
               Access access, const UnmapNotify* notify)
        : table_(std::move(table)),
          block_(std::make_shared<sys::Mapping>(sys::Mapping::anonymous(pages * kPageSize))),
          notifier_(doorbells, block_, notify) {
        for (std::size_t page = 0; page < pages; ++page) {
            refs_.push_back(table_->next);
            table_->grants[table_->next++] = {
                .block = block_, .offset = page * kPageSize, .access = access};
        }
    }
    SelfShared(const SelfShared&) = delete;
    SelfShared& operator=(const SelfShared&) = delete;
    ~SelfShared() override {
        for (const GrantRef ref : refs_) {
            table_->grants.erase(ref);
        }
    }
    [[nodiscard]] std::span<std::byte> bytes() noexcept override { return block_->bytes(); }
    [[nodiscard]] std::span<const GrantRef> refs() const noexcept override { return refs_; }

  private:
    std::shared_ptr<GrantTable> table_;
    Block block_;
    Notifier notifier_;
    std::vector<GrantRef> refs_;
};

class SelfMapped final : public MappedPages {
  public:
    SelfMapped(SelfDoorbells& doorbells, Block block, std::span<std::byte> bytes,
               const UnmapNotify* notify)
        : bytes_(bytes), notifier_(doorbells, std::move(block), notify) {}
    [[nodiscard]] std::span<std::byte> bytes() noexcept override { return bytes_; }

  private:
    std::span<std::byte> bytes_;
    Notifier notifier_;
};

class SelfMemory final : public GrantedMemory {
  public:
    explicit SelfMemory(SelfDoorbells& doorbells) : doorbells_(doorbells) {}

    // Ordinary memory.
    [[nodiscard]] std::size_t free_pages() const override { return SIZE_MAX; }
    std::unique_ptr<SharedPages> share(DomId, std::size_t pages, Access access,
                                       const UnmapNotify* notify) override {
        return std::make_unique<SelfShared>(table_, doorbells_, pages, access, notify);
    }
    // Takes references of one share() call, in order: a link maps no others.
    std::unique_ptr<MappedPages> map(DomId, std::span<const GrantRef> refs, Access access,
                                     const UnmapNotify* notify) override {
        const Grant* first = nullptr;
        for (std::size_t i = 0; i < refs.size(); ++i) {
            const auto it = table_->grants.find(refs[i]);
            if (it == table_->grants.end()) {
                sys::throw_errno("map", ENOENT);
            }
            if (access == Access::kReadWrite && it->second.access == Access::kReadOnly) {
                sys::throw_errno("map", EACCES);
            }
            first = i == 0 ? &it->second : first;
            if (it->second.block != first->block ||
                it->second.offset != first->offset + i * kPageSize) {
                sys::throw_errno("map", EINVAL);
            }
        }
        if (first == nullptr) {
            sys::throw_errno("map", EINVAL);
        }
        const auto bytes = first->block->bytes().subspan(first->offset, refs.size() * kPageSize);
        return std::make_unique<SelfMapped>(doorbells_, first->block, bytes, notify);
    }

  private:
    SelfDoorbells& doorbells_;
    std::shared_ptr<GrantTable> table_ = std::make_shared<GrantTable>();
};

}  // namespace

Hypervisor make_self_hypervisor() {
    auto doorbells = std::make_unique<SelfDoorbells>();
    auto memory = std::make_unique<SelfMemory>(*doorbells);
    return {.memory = std::move(memory), .doorbells = std::move(doorbells)};
}

}  // namespace xsock::hypervisor

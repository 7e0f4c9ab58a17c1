// The services that one peer may open: the control plane's policy, compiled to two look-ups.
// Immutable, so any thread; replaced as a whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "link/label.h"
#include "sys/socket.h"

namespace xsock::link {

struct ExportEntry {
    std::string name;        // empty: reachable by port only
    std::uint16_t port = 0;  // 0: reachable by name only
    bool allowed = false;
    sys::Address target;
};

// An entry, and the label of the name or port that it was found by.
struct ExportFound {
    const ExportEntry* entry = nullptr;
    Label label;
};

class ExportTable {
  public:
    ExportTable() : entries_() {}
    explicit ExportTable(std::vector<ExportEntry> entries) : entries_(std::move(entries)) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].name.empty()) {
                by_name_.try_emplace(entries_[i].name,
                                     ExportFound{&entries_[i], label_of(entries_[i].name, 0)});
            }
            if (entries_[i].port != 0) {
                by_port_.try_emplace(entries_[i].port,
                                     ExportFound{&entries_[i], label_of("", entries_[i].port)});
            }
        }
    }
    ExportTable(const ExportTable&) = delete;
    ExportTable& operator=(const ExportTable&) = delete;

    // No entry: there is no such service.
    [[nodiscard]] ExportFound find(const std::string& name) const {
        const auto it = by_name_.find(name);
        return it == by_name_.end() ? ExportFound{} : it->second;
    }
    [[nodiscard]] ExportFound find(std::uint16_t port) const {
        const auto it = by_port_.find(port);
        return it == by_port_.end() ? ExportFound{} : it->second;
    }

  private:
    const std::vector<ExportEntry> entries_;
    std::unordered_map<std::string, ExportFound> by_name_;
    std::unordered_map<std::uint16_t, ExportFound> by_port_;
};

}  // namespace xsock::link

// What one peer may open: the control plane's policy, compiled to two look-ups. Immutable; replaced
// as a whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sys/socket.h"

namespace xsock::link {

struct ExportEntry {
    std::string name;        // empty: reachable by port only
    std::uint16_t port = 0;  // 0: reachable by name only
    bool allowed = false;
    sys::Address target;
};

class ExportTable {
  public:
    ExportTable() = default;
    explicit ExportTable(std::vector<ExportEntry> entries) : entries_(std::move(entries)) {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (!entries_[i].name.empty()) {
                by_name_.emplace(entries_[i].name, i);
            }
            if (entries_[i].port != 0) {
                by_port_.emplace(entries_[i].port, i);
            }
        }
    }
    // nullptr if there is no such service.
    [[nodiscard]] const ExportEntry* find(std::string_view name) const {
        const auto it = by_name_.find(std::string(name));
        return it == by_name_.end() ? nullptr : &entries_[it->second];
    }
    [[nodiscard]] const ExportEntry* find(std::uint16_t port) const {
        const auto it = by_port_.find(port);
        return it == by_port_.end() ? nullptr : &entries_[it->second];
    }

  private:
    std::vector<ExportEntry> entries_;
    std::unordered_map<std::string, std::size_t> by_name_;
    std::unordered_map<std::uint16_t, std::size_t> by_port_;
};

}  // namespace xsock::link

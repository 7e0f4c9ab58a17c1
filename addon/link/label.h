// The name of a service in events and listings. Streams share it with the listener or the export
// that they belong to: ten thousand streams of one service store its name once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace xsock::link {

using Label = std::shared_ptr<const std::string>;

// `name`, or "port/N" if there is none.
inline Label label_of(const std::string& name, std::uint16_t port) {
    return std::make_shared<const std::string>(name.empty() ? "port/" + std::to_string(port)
                                                            : name);
}

}  // namespace xsock::link

// Streams whose link is down but whose last bytes the local program has still to take. Pump thread
// only.
#pragma once

#include <memory>
#include <vector>

#include "link/stream.h"

namespace xsock::pump {

class Orphans final : public link::StreamOwner {
  public:
    void adopt(std::unique_ptr<link::Stream> stream) {
        stream->set_owner(*this);
        streams_.push_back(std::move(stream));
    }
    void on_stream_ready(link::Stream& stream) override { stream.flush(); }
    // Closes those that have nothing left to deliver. Called at the end of a turn.
    void sweep() {
        std::erase_if(streams_, [](const auto& stream) { return stream->delivered(); });
    }
    [[nodiscard]] bool empty() const noexcept { return streams_.empty(); }

  private:
    std::vector<std::unique_ptr<link::Stream>> streams_;
};

}  // namespace xsock::pump

// Streams whose link is down but whose last bytes the local program has still to take. They hold
// their share of the budget until then. Pump thread only.
#pragma once

#include <memory>
#include <vector>

#include "link/host.h"
#include "link/stream.h"

namespace xsock::pump {

class Orphans final : public link::StreamOwner {
  public:
    explicit Orphans(link::Host& host) noexcept : host_(host) {}

    void adopt(std::unique_ptr<link::Stream> stream) {
        stream->set_owner(*this);
        streams_.push_back(std::move(stream));
    }
    void on_stream_ready(link::Stream& stream) override { stream.flush(); }
    void on_output_blocked(link::Stream& stream) override {
        host_.watch_output(stream, stream.fd.get());
    }
    // Closes those that have nothing left to deliver. Called at the end of a turn.
    void sweep() {
        std::erase_if(streams_, [this](const auto& stream) {
            if (!stream->delivered()) {
                return false;
            }
            host_.budget().release(stream->window);
            return true;
        });
    }

  private:
    link::Host& host_;
    std::vector<std::unique_ptr<link::Stream>> streams_;
};

}  // namespace xsock::pump

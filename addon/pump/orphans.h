// Streams whose link is down but whose last bytes the local program has still to take. They hold
// their share of the budget until then. Pump thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "link/host.h"
#include "link/stream.h"

namespace xsock::pump {

class Orphans final : public link::StreamOwner {
  public:
    explicit Orphans(link::Host& host) noexcept : host_(host) {}

    // `peer`: the domain that the stream was with.
    void adopt(std::unique_ptr<link::Stream> stream, std::uint32_t peer) {
        stream->set_owner(*this);
        streams_.push_back({std::move(stream), peer});
    }
    void on_stream_ready(link::Stream& stream) override { stream.flush(); }
    void on_output_blocked(link::Stream& stream) override {
        host_.watch_output(stream, stream.fd.get());
    }
    // Closes those that have nothing left to deliver (TCP: gently). Called at the end of a turn.
    void sweep() {
        std::erase_if(streams_, [this](Orphan& orphan) {
            link::Stream& stream = *orphan.stream;
            if (!stream.delivered()) {
                return false;
            }
            host_.budget().release(stream.window);
            if (stream.tcp && !stream.end_seen) {
                host_.linger(std::move(stream.fd), orphan.peer);
            }
            return true;
        });
    }

  private:
    struct Orphan {
        std::unique_ptr<link::Stream> stream;
        std::uint32_t peer;
    };

    link::Host& host_;
    std::vector<Orphan> streams_;
};

}  // namespace xsock::pump

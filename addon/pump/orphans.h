// The owner of orphaned streams: those whose link is down but whose last bytes the local program
// has not read yet. They keep their reservation in the budget until then. Pump thread only.
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

    // `peer`: the domain at the other end of the stream.
    void adopt(std::unique_ptr<link::Stream> stream, std::uint32_t peer) {
        stream->set_owner(*this);
        streams_.push_back({std::move(stream), peer});
    }
    void on_stream_ready(link::Stream& stream) override { stream.flush(); }
    void on_output_blocked(link::Stream& stream) override {
        host_.watch_output(stream, stream.fd.get());
    }
    // Closes those that have nothing left to deliver (TCP: by Host::linger). Called in each turn.
    void sweep() {
        std::erase_if(streams_, [this](Orphan& orphan) {
            link::Stream& stream = *orphan.stream;
            if (!delivered(stream.state.receiving)) {
                return false;
            }
            host_.budget().release(stream.credit.window());
            if (stream.tcp() && !program_ended(stream.state.sending)) {
                host_.linger(std::move(stream.fd), orphan.peer);
            } else {
                host_.unwatch(stream.fd.get());
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

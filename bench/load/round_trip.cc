// Round trips of `size` bytes on one stream, one after the other, with blocking calls.
#include <stdexcept>
#include <vector>

#include "latencies.h"
#include "modes.h"

namespace load {

namespace {

void serve(const Fd& listener, const Options& options, Shared&) {
    const Fd stream = accept_from(listener);
    std::vector<char> buffer(options.size);
    while (receive_all(stream.get(), buffer) && send_all(stream.get(), buffer)) {
    }
}

std::string measure(const Options& options, Shared&) {
    std::vector<char> buffer(options.size, 'x');
    const Fd stream = dial(options.dial);
    Latencies latencies;
    const double begin = now() + options.warm_up;
    const double end = begin + options.seconds;
    for (double before = now(); before < end;) {
        if (!send_all(stream.get(), buffer) || !receive_all(stream.get(), buffer)) {
            throw std::runtime_error("the stream has ended early");
        }
        const double after = now();
        if (before >= begin) {
            latencies.add(after - before);
        }
        before = after;
    }
    return latencies.json();
}

}  // namespace

const Mode kRoundTrip{"roundtrip", "--size bytes there and back, one after the other", serve,
                      measure};

}  // namespace load

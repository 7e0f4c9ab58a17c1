// An interactive stream (round trips of `size` bytes, one after the other) first alone, then beside
// a bulk stream: how one user of a link affects the latency of another.
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "latencies.h"
#include "modes.h"

namespace load {

namespace {

constexpr std::size_t kBulkSize = 65536;
// The first byte of a stream tells the service what to do with it.
constexpr char kEcho = 'e';
constexpr char kSink = 's';

void serve_stream(const Fd& stream, std::size_t size) {
    char kind = 0;
    receive_all(stream.get(), {&kind, 1});
    std::vector<char> buffer(kind == kEcho ? size : kBulkSize);
    if (kind == kEcho) {
        while (receive_all(stream.get(), buffer) && send_all(stream.get(), buffer)) {
        }
    } else {
        while (receive(stream.get(), buffer) > 0) {
        }
    }
}

// A thread for each of the few streams, so that in the service neither waits for the other.
void serve(const Fd& listener, const Options& options, Shared&) {
    for (;;) {
        std::thread([stream = accept_from(listener), size = options.size] {
            serve_stream(stream, size);
        }).detach();
    }
}

Latencies chat(const Options& options) {
    std::vector<char> buffer(options.size, kEcho);
    const Fd stream = dial(options.dial);
    send_all(stream.get(), {&kEcho, 1});
    Latencies latencies;
    const double begin = now() + options.warm_up;
    const double end = begin + options.seconds;
    for (double before = now(); before < end;) {
        if (!send_all(stream.get(), buffer) || !receive_all(stream.get(), buffer)) {
            throw std::runtime_error("the interactive stream has ended early");
        }
        const double after = now();
        if (before >= begin) {
            latencies.add(after - before);
        }
        before = after;
    }
    return latencies;
}

std::string measure(const Options& options, Shared&) {
    std::string result = chat(options).json("alone_");
    std::atomic<bool> stop{false};
    std::thread bulk([&] {
        const std::vector<char> data(kBulkSize, kSink);
        const Fd stream = dial(options.dial);
        while (!stop && send_all(stream.get(), data)) {
        }
    });
    try {
        result += "," + chat(options).json("beside_");
    } catch (...) {
        stop = true;
        bulk.join();
        throw;
    }
    stop = true;
    bulk.join();
    return result;
}

}  // namespace

const Mode kInteractive{"interactive", "round trips of --size alone, then beside a bulk stream",
                        serve, measure};

}  // namespace load

// Throughput: `count` streams, each written to in pieces of `size` as fast as it takes them. What
// counts is what the service has read between the end of the warm-up and the end of the time.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "modes.h"

namespace load {

namespace {

// A common size of reads.
constexpr std::size_t kReadSize = 65536;
// Upper bound for opening all streams, and for the arrival of the bytes in flight when the writers
// stop.
constexpr double kPatienceSeconds = 10;

void serve_one(const Fd& stream, Shared& shared) {
    std::vector<char> buffer(kReadSize);
    while (const std::size_t got = receive(stream.get(), buffer)) {
        shared.bytes.fetch_add(got, std::memory_order_relaxed);
    }
    shared.ended.fetch_add(1);
}

void serve_many(const Fd& listener, unsigned count, Shared& shared) {
    Poller poller;
    std::unordered_map<int, Fd> streams;
    while (streams.size() < count) {
        Fd stream = accept_from(listener);
        shared.accepted.fetch_add(1);
        poller.add_readable(stream.get());
        const int key = stream.get();
        streams.emplace(key, std::move(stream));
    }
    std::vector<char> buffer(kReadSize);
    while (!streams.empty()) {
        for (const int fd : poller.wait(-1)) {
            const std::size_t got = receive(fd, buffer);
            shared.bytes.fetch_add(got, std::memory_order_relaxed);
            if (got == 0) {
                streams.erase(fd);
                shared.ended.fetch_add(1);
            }
        }
    }
}

// One stream needs no epoll: each side uses blocking calls.
void serve(const Fd& listener, const Options& options, Shared& shared) {
    if (options.count == 1) {
        const Fd stream = accept_from(listener);
        shared.accepted.fetch_add(1);
        serve_one(stream, shared);
    } else {
        serve_many(listener, options.count, shared);
    }
}

// Counts from the end of the warm-up; true while there is time left.
class Window {
  public:
    Window(const Options& options, const Shared& shared)
        : shared_(shared),
          begin_(load::now() + options.warm_up),
          end_(begin_ + options.seconds),
          last_(begin_) {}
    bool open() {
        const double time = load::now();
        if (time >= begin_ && !started_) {
            started_ = true;
            begin_ = time;
            first_bytes_ = shared_.bytes.load();
        }
        last_ = time;
        return time < end_;
    }
    double mib_per_second() const {
        const auto bytes = static_cast<double>(shared_.bytes.load() - first_bytes_);
        return bytes / (1 << 20) / (last_ - begin_);
    }

  private:
    const Shared& shared_;
    double begin_;
    double end_;
    double last_;
    bool started_ = false;
    std::uint64_t first_bytes_ = 0;
};

// Waits until a counter of the service has reached the number of streams; false if it takes too
// long.
bool reaches(const std::atomic<std::uint64_t>& counter, const Options& options) {
    const double deadline = now() + kPatienceSeconds;
    while (counter.load() < options.count) {
        if (now() > deadline) {
            return false;
        }
        const timespec pause{0, 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return true;
}

// A proxy that is slow to open streams is measured once it has opened them.
void wait_for_streams(const Options& options, const Shared& shared) {
    if (!reaches(shared.accepted, options)) {
        throw std::runtime_error("only " + std::to_string(shared.accepted.load()) + " of " +
                                 std::to_string(options.count) + " streams have arrived");
    }
}

double write_one(const Options& options, Shared& shared) {
    const std::vector<char> data(options.size, 'x');
    const Fd stream = dial(options.dial);
    wait_for_streams(options, shared);
    Window window(options, shared);
    while (window.open() && send_all(stream.get(), data)) {
    }
    return window.mib_per_second();
}

double write_many(const Options& options, Shared& shared) {
    const std::vector<char> data(options.size, 'x');
    Poller poller;
    std::vector<Fd> streams;
    for (unsigned i = 0; i < options.count; ++i) {
        streams.push_back(dial(options.dial));
        set_nonblocking(streams.back().get());
        poller.add_writable(streams.back().get());
    }
    wait_for_streams(options, shared);
    Window window(options, shared);
    while (window.open()) {
        for (const int fd : poller.wait(100)) {
            // A short write counts as a piece: the contents do not matter.
            ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        }
    }
    return window.mib_per_second();
}

std::string measure(const Options& options, Shared& shared) {
    const double rate =
        options.count == 1 ? write_one(options, shared) : write_many(options, shared);
    const bool complete = reaches(shared.ended, options);
    char text[128];
    std::snprintf(text, sizeof text, "\"mibPerSecond\":%.2f,\"bytes\":%llu,\"complete\":%s", rate,
                  static_cast<unsigned long long>(shared.bytes.load()),
                  complete ? "true" : "false");
    return text;
}

}  // namespace

const Mode kThroughput{"throughput", "--count streams, written to in pieces of --size", serve,
                       measure};

}  // namespace load

// Connections: connect, request, reply, close; `count` at once, `size` bytes each way.
// The service handles them one by one with blocking calls: a request always follows its connection.
#include <cstdio>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "modes.h"

namespace load {

namespace {

void serve(const Fd& listener, const Options& options, Shared&) {
    std::vector<char> buffer(options.size);
    for (;;) {
        const Fd stream = accept_from(listener);
        if (receive_all(stream.get(), buffer)) {
            send_all(stream.get(), buffer);
        }
    }
}

Fd ask(const Options& options, std::vector<char>& buffer) {
    Fd stream = dial(options.dial);
    if (!send_all(stream.get(), buffer)) {
        throw std::runtime_error("a connection was closed before its request");
    }
    return stream;
}

void take_reply(const Fd& stream, std::vector<char>& buffer) {
    if (!receive_all(stream.get(), buffer)) {
        throw std::runtime_error("a connection was closed before its reply");
    }
}

// The number of connections that were completed, and in what time.
struct Done {
    std::uint64_t count = 0;
    std::uint64_t all = 0;
    double seconds = 0;
};

// Calls `turn`, which completes some connections, until the time is over.
template <typename Turn>
Done repeat(const Options& options, Turn turn) {
    Done done;
    const double warm = now() + options.warm_up;
    double begin = warm;
    const double end = warm + options.seconds;
    for (double time = now(); time < end; time = now()) {
        const bool counted = time >= warm;
        if (counted && done.count == 0) {
            begin = time;
        }
        const std::uint64_t some = turn();
        done.all += some;
        done.count += counted ? some : 0;
    }
    done.seconds = now() - begin;
    return done;
}

Done one_by_one(const Options& options) {
    std::vector<char> buffer(options.size, 'x');
    return repeat(options, [&]() -> std::uint64_t {
        take_reply(ask(options, buffer), buffer);
        return 1;
    });
}

Done many_at_once(const Options& options) {
    std::vector<char> buffer(options.size, 'x');
    Poller poller;
    std::unordered_map<int, Fd> streams;
    const auto start = [&] {
        Fd stream = ask(options, buffer);
        poller.add_readable(stream.get());
        const int key = stream.get();
        streams.emplace(key, std::move(stream));
    };
    for (unsigned i = 0; i < options.count; ++i) {
        start();
    }
    const Done done = repeat(options, [&]() -> std::uint64_t {
        const auto ready = poller.wait(1000);
        for (const int fd : ready) {
            const auto found = streams.find(fd);
            take_reply(found->second, buffer);
            streams.erase(found);
        }
        for (std::size_t i = 0; i < ready.size(); ++i) {
            start();
        }
        return ready.size();
    });
    for (auto& [fd, stream] : streams) {
        take_reply(stream, buffer);
    }
    return done;
}

std::string measure(const Options& options, Shared&) {
    const Done done = options.count == 1 ? one_by_one(options) : many_at_once(options);
    char text[128];
    std::snprintf(text, sizeof text, "\"perSecond\":%.1f,\"connections\":%llu",
                  static_cast<double>(done.count) / done.seconds,
                  static_cast<unsigned long long>(done.all));
    return text;
}

}  // namespace

const Mode kConnections{"connections", "connect, request, reply, close; --count at once", serve,
                        measure};

}  // namespace load

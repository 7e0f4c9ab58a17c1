// Idle connections: opens `count`, each of which the service has accepted, prints a line when all
// are there, and holds them until its standard input ends.
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <vector>

#include "modes.h"

namespace load {

namespace {

constexpr double kDeadlineSeconds = 60;
// Opened in steps, so that the backlogs of proxies in between do not overflow.
constexpr unsigned kStep = 64;

void pause() {
    const timespec duration{0, 200'000};
    ::nanosleep(&duration, nullptr);
}

void serve(const Fd& listener, const Options& options, Shared& shared) {
    std::vector<Fd> held;
    while (held.size() < options.count) {
        held.push_back(accept_from(listener));
        shared.accepted.fetch_add(1);
    }
    for (;;) {
        ::pause();
    }
}

std::string measure(const Options& options, Shared& shared) {
    const double deadline = now() + kDeadlineSeconds;
    std::vector<Fd> held;
    while (shared.accepted.load() < options.count) {
        if (now() > deadline) {
            throw std::runtime_error("only " + std::to_string(shared.accepted.load()) + " of " +
                                     std::to_string(options.count) + " connections have arrived");
        }
        if (held.size() < options.count && held.size() < shared.accepted.load() + kStep) {
            held.push_back(dial(options.dial));
        } else {
            load::pause();
        }
    }
    std::puts("{\"ready\":true}");
    std::fflush(stdout);
    char ignored[64];
    while (::read(STDIN_FILENO, ignored, sizeof ignored) > 0) {
    }
    return "\"held\":" + std::to_string(held.size());
}

}  // namespace

const Mode kIdle{"idle", "opens --count connections and holds them until standard input ends",
                 serve, measure};

}  // namespace load

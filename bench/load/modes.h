// The modes: each is the two programs of one measurement, run as two processes by main.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "options.h"
#include "system.h"

namespace load {

// Counters of the service, in memory shared by both processes.
struct Shared {
    // What the service has read.
    std::atomic<std::uint64_t> bytes{0};
    // Connections that the service has accepted, and those of them that have ended.
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> ended{0};
};

struct Mode {
    const char* name;
    const char* meaning;
    // Serves until it is killed; the listener is open already.
    void (*serve)(const Fd& listener, const Options& options, Shared& shared);
    // Measures; the members of the JSON object that is printed, without its braces.
    std::string (*measure)(const Options& options, Shared& shared);
};

extern const Mode kThroughput;
extern const Mode kRoundTrip;
extern const Mode kConnections;
extern const Mode kIdle;
extern const Mode kInteractive;

}  // namespace load

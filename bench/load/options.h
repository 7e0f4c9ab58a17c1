// The command line: `load MODE --key value ...`. Every value has a default but the two paths.
#pragma once

#include <cstddef>
#include <string>

namespace load {

struct Options {
    std::string mode;
    // Where the service listens, and where clients find it: the same path without a proxy in
    // between.
    std::string listen;
    std::string dial;
    // CPUs to be pinned to; -1: not pinned.
    int client_cpu = -1;
    int server_cpu = -1;
    // Bytes of one write, or of one request.
    std::size_t size = 65536;
    // Streams, or connections at once.
    unsigned count = 1;
    double seconds = 1.0;
    // Warm-up before that, not measured.
    double warm_up = 0.1;
};

// Throws std::invalid_argument, whose text names the argument.
Options parse(int argc, char** argv);

}  // namespace load

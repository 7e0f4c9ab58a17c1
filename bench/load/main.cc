// load: starts a service at one path, measures it as a client through another, prints one line of
// JSON.
//
// The service is a process of its own, so that both ends can be pinned to CPUs of their own and
// neither shares memory maps or descriptors with the other, as with real programs.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <system_error>

#include "modes.h"
#include "system.h"

namespace {

using namespace load;

constexpr const Mode* kModes[] = {&kThroughput, &kRoundTrip, &kConnections, &kIdle, &kInteractive};

const Mode* mode_named(const std::string& name) {
    for (const Mode* mode : kModes) {
        if (name == mode->name) {
            return mode;
        }
    }
    return nullptr;
}

int usage() {
    std::fputs(
        "usage: load MODE --listen PATH --dial PATH [--size BYTES] [--count N]\n"
        "            [--seconds S] [--warm-up S] [--client-cpu N] [--server-cpu N]\n",
        stderr);
    for (const Mode* mode : kModes) {
        std::fprintf(stderr, "  %-12s %s\n", mode->name, mode->meaning);
    }
    return 64;
}

Shared& shared_memory() {
    void* const memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "mmap");
    }
    return *new (memory) Shared;
}

[[noreturn]] void run_service(const Mode& mode, const Fd& listener, const Options& options,
                              Shared& shared) {
    try {
        pin_to(options.server_cpu);
        mode.serve(listener, options, shared);
        std::_Exit(0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "load: service: %s\n", error.what());
        std::_Exit(1);
    }
}

void end(pid_t service) {
    ::kill(service, SIGKILL);
    ::waitpid(service, nullptr, 0);
}

int run(const Mode& mode, const Options& options) {
    raise_descriptor_limit();
    Shared& shared = shared_memory();
    Fd listener = listen_at(options.listen);
    const pid_t service = ::fork();
    if (service < 0) {
        throw std::system_error(errno, std::generic_category(), "fork");
    }
    if (service == 0) {
        run_service(mode, listener, options, shared);
    }
    listener = Fd();
    try {
        pin_to(options.client_cpu);
        std::printf("{%s}\n", mode.measure(options, shared).c_str());
    } catch (...) {
        end(service);
        throw;
    }
    end(service);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse(argc, argv);
        const Mode* const mode = mode_named(options.mode);
        return mode == nullptr ? usage() : run(*mode, options);
    } catch (const std::invalid_argument& error) {
        std::fprintf(stderr, "load: %s\n", error.what());
        return usage();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "load: %s\n", error.what());
        return 1;
    }
}

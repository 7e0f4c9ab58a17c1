// launcher CPU|any PROGRAM [ARGUMENT...]: runs a program pinned, in a process group of its own (so
// that all its children can be ended) but in the session of the benchmark. A session of its own
// would be a scheduling group of its own (sched(7), autogroup), and the scheduler's sharing between
// groups would be measured instead of the data path.
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: launcher CPU|any PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    if (std::string_view(argv[1]) != "any") {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(std::strtoul(argv[1], nullptr, 10), &cpus);
        if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
            std::perror("sched_setaffinity");
            return 1;
        }
    }
    if (::setpgid(0, 0) != 0) {
        std::perror("setpgid");
        return 1;
    }
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    return 127;
}

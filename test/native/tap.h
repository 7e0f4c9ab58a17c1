// The smallest TAP producer that a native test needs: CHECK, subtests by name, a plan at the end.
#pragma once

#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace tap {

// How long a test waits for an expected event: far longer than anything takes, so that a busy
// machine is no failure.
constexpr std::chrono::seconds kDeadline{60};
constexpr int kDeadlineMs = 60'000;

struct State {
    int tests = 0;
    int failures = 0;
    std::vector<std::string> faults;  // of the test that runs now
};

inline State& state() {
    static State instance;
    return instance;
}

inline void check(bool ok, const char* expression, const char* file, int line) {
    if (!ok) {
        state().faults.push_back(std::string(file) + ":" + std::to_string(line) + ": " +
                                 expression);
    }
}

inline void test(const char* name, const std::function<void()>& body) {
    State& s = state();
    s.faults.clear();
    try {
        body();
    } catch (const std::exception& error) {
        s.faults.push_back(std::string("threw ") + error.what());
    }
    ++s.tests;
    std::printf("%s %d - %s\n", s.faults.empty() ? "ok" : "not ok", s.tests, name);
    for (const std::string& fault : s.faults) {
        std::printf("# %s\n", fault.c_str());
    }
    s.failures += s.faults.empty() ? 0 : 1;
    std::fflush(stdout);
}

inline void skip(const char* name, const char* reason) {
    std::printf("ok %d - %s # SKIP %s\n", ++state().tests, name, reason);
}

inline int done() {
    std::printf("1..%d\n", state().tests);
    return state().failures == 0 ? 0 : 1;
}

}  // namespace tap

#define CHECK(expression) \
    ::tap::check(static_cast<bool>(expression), #expression, __FILE__, __LINE__)

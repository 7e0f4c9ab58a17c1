// The state of a stream: every state with every event. With --print: the transitions as lines
// `part from event to`, which are the diagrams of docs/protocol.md
// (test/unit/protocol-doc.test.ts).
#include <cstdio>
#include <cstring>
#include <functional>
#include <set>
#include <utility>

#include "stream/outbox.h"
#include "stream/state.h"
#include "tap.h"

namespace {

using namespace xsock::stream;

constexpr const char* kPhaseNames[kPhases] = {"Unconnected", "Connecting", "Unanswered", "Open",
                                              "Done"};
constexpr const char* kSendingNames[kSendings] = {"Open",          "Stopped", "Ending",
                                                  "EndingStopped", "Ended",   "EndedStopped"};
constexpr const char* kReceivingNames[kReceivings] = {
    "Open", "Ending", "Ended", "Stopping", "Stopped", "StoppingEnded", "StoppedEnded"};
constexpr const char* kEventNames[kEvents] = {
    "ConnectStarted", "Connected",    "Answered",  "ProgramEnded", "ProgramStopped",
    "Delivered",      "ShutdownSent", "PeerEnded", "PeerStopped",  "Refuse",
    "Reset",          "PeerRefused",  "PeerReset", "Finished",     "LinkDown"};

template <typename Part, std::size_t Rows>
void print(const char* title, const Transition<Part> (&rows)[Rows], const char* const* names) {
    for (const Transition<Part>& row : rows) {
        std::printf("%s %s %s %s\n", title, names[static_cast<std::size_t>(row.from)],
                    kEventNames[static_cast<std::size_t>(row.event)],
                    names[static_cast<std::size_t>(row.to)]);
    }
}

// The function can be evaluated by the compiler: it depends on its arguments alone.
static_assert(step(kOpenedByPeer, Event::kConnected).notice == Notice::kAccept);
static_assert(step(kOpenedByPeer, Event::kConnected).state == State{Phase::kOpen});

void each(const std::function<void(const State&, Event)>& body) {
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
        for (std::size_t sending = 0; sending < kSendings; ++sending) {
            for (std::size_t receiving = 0; receiving < kReceivings; ++receiving) {
                for (std::size_t event = 0; event < kEvents; ++event) {
                    body({static_cast<Phase>(phase), static_cast<Sending>(sending),
                          static_cast<Receiving>(receiving)},
                         static_cast<Event>(event));
                }
            }
        }
    }
}

template <typename Part, std::size_t Rows>
void expect_one_row_each(const Transition<Part> (&rows)[Rows], Part State::*part) {
    std::set<std::pair<Part, Event>> seen;
    for (const Transition<Part>& row : rows) {
        CHECK(seen.emplace(row.from, row.event).second);
        CHECK(row.from != row.to);
    }
    each([&](const State& state, Event event) {
        if (state.phase == Phase::kDone) {
            return;
        }
        Part expected = state.*part;
        for (const Transition<Part>& row : rows) {
            if (row.from == state.*part && row.event == event) {
                expected = row.to;
            }
        }
        CHECK(step(state, event).state.*part == expected);
    });
}

void the_tables_decide() {
    expect_one_row_each(kPhaseTransitions, &State::phase);
    expect_one_row_each(kSendingTransitions, &State::sending);
    expect_one_row_each(kReceivingTransitions, &State::receiving);
}

void the_end_is_final() {
    each([](const State& state, Event event) {
        if (state.phase == Phase::kDone) {
            CHECK(step(state, event).state == state);
            CHECK(step(state, event).notice == Notice::kNone);
            CHECK(!shutdown_due(state));
        }
    });
}

void nothing_is_taken_back() {
    each([](const State& state, Event event) {
        const State next = step(state, event).state;
        CHECK(program_ended(next.sending) || !program_ended(state.sending));
        CHECK(peer_stopped(next.sending) || !peer_stopped(state.sending));
        CHECK(program_stopped(next.receiving) || !program_stopped(state.receiving));
        CHECK(peer_ended(next.receiving) || !peer_ended(state.receiving));
        CHECK(delivered(next.receiving) || !delivered(state.receiving));
        // An event that comes again changes nothing more.
        CHECK(step(next, event).state == next);
    });
}

void frames_that_events_bring() {
    each([](const State& state, Event event) {
        const Step next = step(state, event);
        const bool changed = next.state.phase != state.phase;
        const Notice expected = !changed                     ? Notice::kNone
                                : event == Event::kConnected ? Notice::kAccept
                                : event == Event::kRefuse    ? Notice::kRefuse
                                : event == Event::kReset     ? Notice::kReset
                                                             : Notice::kNone;
        CHECK(next.notice == expected);
        // SHUTDOWN is due once for each flag, and goes out with all.
        if (event == Event::kShutdownSent) {
            CHECK(!shutdown_due(next.state));
            CHECK(shutdown_flags(next.state) == shutdown_flags(state));
        } else if (next.state.phase != Phase::kDone &&
                   shutdown_flags(next.state) != shutdown_flags(state)) {
            CHECK(shutdown_due(next.state));
        }
    });
}

void all_states_are_reached() {
    std::set<std::pair<Phase, std::pair<Sending, Receiving>>> seen;
    const std::function<void(const State&)> visit = [&](const State& state) {
        if (!seen.insert({state.phase, {state.sending, state.receiving}}).second) {
            return;
        }
        for (std::size_t event = 0; event < kEvents; ++event) {
            visit(step(state, static_cast<Event>(event)).state);
        }
    };
    visit(kOpenedByUs);
    visit(kOpenedByPeer);
    CHECK(seen.size() == kPhases * kSendings * kReceivings);
}

void an_end_needs_both_directions() {
    each([](const State& state, Event) {
        if (!both_ended(state)) {
            return;
        }
        CHECK(delivered(state.receiving));
        CHECK(program_ended(state.sending) || peer_stopped(state.sending));
        CHECK(!discards_input(state));
    });
    Outbox outbox;
    const State ended{Phase::kOpen, Sending::kEnded, Receiving::kEnded};
    CHECK(outbox.finished(ended));
    outbox.accept();
    CHECK(!outbox.finished(ended));  // the peer has to be told first
}

void credit_is_returned_by_half_windows() {
    Credit credit(100);
    const auto never = [](std::uint32_t) { return false; };
    const auto always = [](std::uint32_t) { return true; };
    CHECK(credit.sendable() == 100);
    credit.spend(100);
    CHECK(credit.sendable() == 0);
    CHECK(credit.add(0xffffffff));
    CHECK(!credit.add(1));

    CHECK(!credit.receive(kInitialWindow + 1));
    CHECK(credit.receive(kInitialWindow));
    CHECK(!credit.receive(1));
    credit.deliver(kInitialWindow / 2 - 1, false, 1 << 20, always);
    CHECK(!credit.due() && credit.take() == 0);
    credit.deliver(1, false, 1 << 20, never);
    CHECK(credit.due());
    CHECK(credit.take() == kInitialWindow / 2 && credit.window() == kInitialWindow);
    // It grows with the next one, if there is memory, up to the limit.
    credit.deliver(kInitialWindow / 2, false, kInitialWindow + 5, always);
    CHECK(credit.window() == kInitialWindow + 5);
    CHECK(credit.take() == kInitialWindow / 2 + 5);
    CHECK(credit.receive(kInitialWindow + 5) && !credit.receive(1));
    CHECK(credit.close() == kInitialWindow + 5 && credit.window() == 0);
}

void a_slow_program_keeps_its_window() {
    Credit credit(0);
    const auto always = [](std::uint32_t) { return true; };
    CHECK(credit.receive(kInitialWindow));
    credit.deliver(1, true, 1 << 20, always);
    credit.deliver(kInitialWindow / 2, false, 1 << 20, always);
    CHECK(credit.due() && credit.window() == kInitialWindow);
    CHECK(credit.take() == kInitialWindow / 2 + 1);
    credit.deliver(kInitialWindow / 2, false, 1 << 20, always);
    CHECK(credit.window() == 2 * kInitialWindow);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--print") == 0) {
        print("phase", kPhaseTransitions, kPhaseNames);
        print("sending", kSendingTransitions, kSendingNames);
        print("receiving", kReceivingTransitions, kReceivingNames);
        return 0;
    }
    tap::test("the tables decide, and name each case once", the_tables_decide);
    tap::test("the end of a stream is final", the_end_is_final);
    tap::test("nothing is taken back, and a repeated event changes nothing", nothing_is_taken_back);
    tap::test("frames that events bring", frames_that_events_bring);
    tap::test("all states are reached", all_states_are_reached);
    tap::test("a stream ends when both directions have", an_end_needs_both_directions);
    tap::test("credit is returned by half windows, which grow", credit_is_returned_by_half_windows);
    tap::test("a slow program keeps its window", a_slow_program_keeps_its_window);
    return tap::done();
}

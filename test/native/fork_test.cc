// A child between fork() and exec(), as Node makes one for getent(1), holds a copy of every
// descriptor: what was registered for a socket that was closed meanwhile must not be reported.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "peer.h"
#include "programs.h"
#include "tap.h"

namespace {

using namespace by_hand;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);
constexpr int kStreams = 50;

// Forked, and not yet at exec(): has a copy of all descriptors for as long as it exists.
class Child {
  public:
    Child() : pid_(::fork()) {
        while (pid_ == 0) {
            ::pause();
        }
        CHECK(pid_ > 0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_;
};

// A stream that is over is freed, and its program hangs up afterwards: an event for the freed
// stream would be a use after free, which the sanitized run sees for sure.
void streams_that_end_while_there_is_a_child() {
    Stage stage;
    const std::string path = stage.root.path + "/svc";
    stage.pump->listen(stage.link, {"svc", 0}, sys::SocketKind::kUnix,
                       sys::listen_unix(path, 0600, kSame, kSame));
    CHECK(stage.peer->hello());
    CHECK(Peer::until([&] { return stage.pump->links().at(0).lanes == 1; }));
    for (int i = 0; i < kStreams; ++i) {
        sys::UniqueFd fd = dial(path);
        write_all(fd.get(), "x", 1);
        const auto open = stage.peer->receive(FrameType::kOpen);
        CHECK(open && stage.peer->receive(FrameType::kData));
        if (!open) {
            return;
        }
        const Child child;
        CHECK(stage.peer->send(FrameType::kRefuse, open->stream, "", 0,
                               static_cast<std::uint32_t>(abi::RefuseReason::kDenied)));
        CHECK(Peer::until([&] { return stage.pump->streams().empty(); }));
        fd.reset();
        // Two commands, each in a turn of its own: events of the socket would have come by then.
        CHECK(stage.pump->links().size() == 1);
        CHECK(stage.pump->links().size() == 1);
    }
}

}  // namespace

int main() {
    tap::test("streams that end while a child has a copy of their sockets",
              streams_that_end_while_there_is_a_child);
    return tap::done();
}

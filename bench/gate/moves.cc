// moves: repeats one operation through two pumps, for a profiler to count its cost.
//
// Both pumps, the client and the service are threads of this process, on a loopback machine of its
// own. The client and the service do as little as can be done, by readv() and writev(): callgrind
// books a system call on the C library's function that made it, whichever thread that is, and the
// pumps use neither.
#include <sys/uio.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "domain.h"
#include "programs.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);
constexpr std::uint16_t kRingOrder = 18;
constexpr std::size_t kRequest = 64;

// A link between two domains, and a service in one that the other can connect to.
class World {
  public:
    explicit World(const std::function<void(int)>& serve) : service_(high_.dir + "/target", serve) {
        const pump::Pump::Offer offer = high_.pump->offer(0, kRingOrder);
        const link::LinkId link = low_.pump->connect(3, offer.ring_ref, offer.port);
        high_.pump->set_exports(
            offer.link,
            std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                {"svc", 80, true, {sys::SocketKind::kUnix, high_.dir + "/target", 0}}}));
        low_.pump->listen(link, {"svc", 0}, sys::SocketKind::kUnix,
                          sys::listen_unix(path(), 0600, kSame, kSame));
        if (!low_.wait_for<link::LinkUp>(link)) {
            throw std::runtime_error("the link does not come up");
        }
    }
    std::string path() const { return low_.dir + "/svc"; }

  private:
    TempDir root_;
    hypervisor::loopback::Machine machine_{{}};
    // How often a pump polls before it finds work varies from run to run: so it does not poll.
    Domain low_{machine_, root_.path, 0, sys::Duration::zero()};
    Domain high_{machine_, root_.path, 3, sys::Duration::zero()};
    Service service_;
};

ssize_t take(int fd, std::span<std::byte> space) {
    const iovec part{space.data(), space.size()};
    return ::readv(fd, &part, 1);
}

void put(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
        const ssize_t sent = ::writev(fd, &part, 1);
        if (sent <= 0) {
            throw std::runtime_error("a stream takes no more");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

// False: the stream ended earlier.
bool take_all(int fd, std::span<std::byte> space) {
    while (!space.empty()) {
        const ssize_t got = take(fd, space);
        if (got <= 0) {
            return false;
        }
        space = space.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

void echo_all(int fd) {
    std::vector<std::byte> buffer(1 << 16);
    for (;;) {
        const ssize_t got = take(fd, buffer);
        if (got <= 0) {
            return;
        }
        put(fd, std::span(buffer).first(static_cast<std::size_t>(got)));
    }
}

void swallow(int fd) {
    std::vector<std::byte> buffer(1 << 16);
    while (take(fd, buffer) > 0) {
    }
}

// Waits for the other side's end: then everything has arrived.
void finish(const sys::UniqueFd& fd) {
    ::shutdown(fd.get(), SHUT_WR);
    swallow(fd.get());
}

void read_exactly(int fd, std::span<std::byte> space) {
    if (!take_all(fd, space)) {
        throw std::runtime_error("a stream has ended early");
    }
}

// One piece at a time, each answered with one byte: the same work every time, where a bulk stream's
// depends on which thread runs when.
void pieces(std::size_t size, unsigned count) {
    const World world([size](int fd) {
        std::vector<std::byte> piece(size);
        while (take_all(fd, piece)) {
            put(fd, std::span(piece).first(1));
        }
    });
    const std::vector<std::byte> data(size, std::byte{'x'});
    std::vector<std::byte> answer(1);
    const sys::UniqueFd fd = dial(world.path());
    for (unsigned i = 0; i < count; ++i) {
        put(fd.get(), data);
        read_exactly(fd.get(), answer);
    }
    finish(fd);
}

void round_trips(unsigned count) {
    const World world(echo_all);
    std::vector<std::byte> data(kRequest, std::byte{'x'});
    const sys::UniqueFd fd = dial(world.path());
    for (unsigned i = 0; i < count; ++i) {
        put(fd.get(), data);
        read_exactly(fd.get(), data);
    }
    finish(fd);
}

void connections(unsigned count) {
    const World world(echo_all);
    std::vector<std::byte> data(kRequest, std::byte{'x'});
    for (unsigned i = 0; i < count; ++i) {
        const sys::UniqueFd fd = dial(world.path());
        put(fd.get(), data);
        read_exactly(fd.get(), data);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::map<std::string, std::function<void(unsigned)>> moves{
        {"piece-64KiB", [](unsigned count) { pieces(65536, count); }},
        {"piece-4KiB", [](unsigned count) { pieces(4096, count); }},
        {"roundtrip", round_trips},
        {"connection", connections},
    };
    const std::string what = argc == 3 ? argv[1] : "";
    const std::string text = argc == 3 ? argv[2] : "";
    unsigned count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    if (!moves.contains(what) || count == 0) {
        std::fputs("usage: moves MOVE COUNT\n", stderr);
        for (const auto& [name, move] : moves) {
            std::fprintf(stderr, "  %s\n", name.c_str());
        }
        return 64;
    }
    try {
        moves.at(what)(count);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "moves: %s\n", error.what());
        return 1;
    }
}

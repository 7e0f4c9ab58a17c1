// moves: does one thing through two pumps so many times, for a profiler to count what it takes.
//
// Both pumps, the client and the service are threads of this process, on a loopback machine of its
// own. The client and the service do as little as can be done.
#include <charconv>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

#include "domain.h"
#include "programs.h"
#include "temp_dir.h"

namespace {

using namespace xsock;
using namespace programs;

constexpr auto kSame = static_cast<std::uint32_t>(-1);
constexpr std::uint16_t kRingOrder = 18;
constexpr std::size_t kRequest = 64;

// A link between two domains, and a service in one that the other can dial.
class World {
  public:
    explicit World(const std::function<void(int)>& serve) : service_(high_.dir + "/target", serve) {
        const pump::Pump::Offer offer = high_.pump->offer(0, kRingOrder);
        const link::LinkId link = low_.pump->connect(3, offer.ring_ref, offer.port);
        high_.pump->set_exports(
            offer.link, std::make_shared<const link::ExportTable>(std::vector<link::ExportEntry>{
                            {"svc", 80, true, {false, high_.dir + "/target", 0}}}));
        low_.pump->listen(link, {"svc", 0}, false, sys::listen_unix(path(), 0600, kSame, kSame));
        if (!low_.wait_for<link::LinkUp>(link)) {
            throw std::runtime_error("the link does not come up");
        }
    }
    std::string path() const { return low_.dir + "/svc"; }

  private:
    TempDir root_;
    hypervisor::loopback::Machine machine_{{}};
    // How often a pump looks before it finds something is a matter of luck.
    Domain low_{machine_, root_.path, 0, sys::Duration::zero()};
    Domain high_{machine_, root_.path, 3, sys::Duration::zero()};
    Service service_;
};

void swallow(int fd) {
    Bytes buffer(1 << 16);
    while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
    }
}

// Waits for the other side's end: then everything has arrived.
void finish(const sys::UniqueFd& fd) {
    ::shutdown(fd.get(), SHUT_WR);
    swallow(fd.get());
}

void read_exactly(int fd, Bytes& buffer) {
    if (::recv(fd, buffer.data(), buffer.size(), MSG_WAITALL) !=
        static_cast<ssize_t>(buffer.size())) {
        throw std::runtime_error("a stream has ended early");
    }
}

// One piece at a time, each answered with one byte: the same work every time, where a bulk stream's
// depends on which thread runs when.
void pieces(std::size_t size, unsigned count) {
    const World world([size](int fd) {
        Bytes piece(size);
        while (::recv(fd, piece.data(), piece.size(), MSG_WAITALL) == static_cast<ssize_t>(size)) {
            write_all(fd, piece.data(), 1);
        }
    });
    const Bytes data(size, 'x');
    Bytes answer(1);
    const sys::UniqueFd fd = dial(world.path());
    for (unsigned i = 0; i < count; ++i) {
        write_all(fd.get(), data.data(), data.size());
        read_exactly(fd.get(), answer);
    }
    finish(fd);
}

void round_trips(unsigned count) {
    const World world(echo);
    Bytes data(kRequest, 'x');
    const sys::UniqueFd fd = dial(world.path());
    for (unsigned i = 0; i < count; ++i) {
        write_all(fd.get(), data.data(), data.size());
        read_exactly(fd.get(), data);
    }
    finish(fd);
}

void connections(unsigned count) {
    const World world(echo);
    Bytes data(kRequest, 'x');
    for (unsigned i = 0; i < count; ++i) {
        const sys::UniqueFd fd = dial(world.path());
        write_all(fd.get(), data.data(), data.size());
        read_exactly(fd.get(), data);
    }
}

}  // namespace

int main(int argc, char** argv) {
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

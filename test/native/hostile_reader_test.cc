// A peer that reads its ring as no xsock does, sends more than anybody reads, or disappears and
// leaves its bytes with us: our writer stays inside the ring, and our memory stays bounded.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <string>

#include "peer.h"
#include "programs.h"
#include "tap.h"

namespace {

using namespace by_hand;
using namespace programs;

// The DATA of the frames in `bytes`, without an incomplete last frame; false: these are not frames.
bool data_of(const std::string& bytes, std::string& data) {
    std::size_t at = 0;
    while (at + sizeof(abi::FrameHeader) <= bytes.size()) {
        abi::FrameHeader header;
        std::memcpy(&header, bytes.data() + at, sizeof header);
        const auto type = static_cast<int>(header.type);
        if (header.length > abi::kMaxPayload || header.reserved != 0 || type < 1 || type > 22) {
            return false;
        }
        if (header.type == FrameType::kData) {
            data += bytes.substr(at + sizeof header, header.length);
        }
        at += sizeof header + (header.length + 15) / 16 * 16;
    }
    return true;
}

// Reading a header and its payload one after the other, as a libxenvchan program would, frees space
// that is not a multiple of a frame's alignment. A writer that filled it and then padded would
// write beyond it.
void reads_that_end_inside_a_frame() {
    Stage stage;
    const std::string path = stage.root.path + "/flood";
    const Service flood(path, [](int fd) {
        const Bytes block(1 << 16, 'x');
        for (ssize_t sent = 1; sent > 0;) {
            sent = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL);
        }
    });
    stage.offer(path);
    CHECK(stage.peer->hello());
    for (const std::uint32_t stream : {2U, 4U, 6U}) {
        CHECK(stage.peer->open(stream, 80));
    }
    std::string bytes;
    bool inside = true;
    for (std::uint32_t step = 1; inside && bytes.size() < 1'000'000; step = step % 1021 + 4) {
        if (!Peer::until([&] { return stage.peer->used() > 0; })) {
            CHECK(false);
            break;
        }
        const std::uint32_t used = stage.peer->used();
        inside = used <= kRing;
        if (inside) {
            stage.peer->read(std::min(used, step), bytes);
        }
    }
    CHECK(inside);
    std::string data;
    CHECK(data_of(bytes, data));
    CHECK(data.size() > 500'000 && data.find_first_not_of('x') == std::string::npos);
    stage.pump->stop();
}

// Each list of services replaces the one before; one that has not been taken yet need not be kept.
void services_that_nobody_listens_to() {
    Stage stage;
    CHECK(stage.peer->hello());
    for (int i = 0; i < 20'000; ++i) {
        if (!stage.peer->send(FrameType::kServices, 0, "old")) {
            CHECK(false);
            break;
        }
    }
    CHECK(stage.peer->send(FrameType::kServices, 0, "last"));
    CHECK(stage.peer->was_read());
    int count = 0;
    std::string last;
    for (const pump::Event& event : stage.pump->take_events()) {
        if (const auto* services = std::get_if<link::Services>(&event)) {
            ++count;
            last.assign(reinterpret_cast<const char*>(services->payload.data()),
                        services->payload.size());
        }
    }
    CHECK(count == 1);
    CHECK(last == "last");
    CHECK(stage.peer->send(FrameType::kServices, 0, "later"));
    CHECK(stage.peer->was_read());
    std::size_t later = 0;
    for (const pump::Event& event : stage.pump->take_events()) {
        later += std::holds_alternative<link::Services>(event) ? 1 : 0;
    }
    CHECK(later == 1);
}

// What a peer finished sending is delivered after its link is down, however long the program takes:
// until then it counts against the budget.
void bytes_that_a_peer_left_behind_count() {
    // Room for one stream's window, grown once.
    Stage stage(std::size_t{2} * stream::kInitialWindow);
    const std::string path = stage.root.path + "/slow";
    std::promise<void> go;
    std::atomic<std::size_t> received{0};
    std::size_t sent = 0;
    {
        const Service slow(path, [&, wait = go.get_future().share()](int fd) {
            wait.wait();
            bool ok = true;
            received += read_all(fd, ok).size();
        });
        stage.offer(path);
        CHECK(stage.peer->hello());
        CHECK(stage.peer->open(2, 80));
        const std::string block(1024, 'x');
        std::size_t credit = stream::kInitialWindow;
        const auto buffered = [&] {
            const auto streams = stage.pump->streams();
            return !streams.empty() && streams.front().buffered > 0;
        };
        while (!buffered() && sent < (64U << 20)) {
            if (credit < block.size()) {
                const auto given = stage.peer->receive(FrameType::kCredit);
                if (!given) {
                    break;
                }
                credit += given->argument;
            }
            CHECK(stage.peer->send(FrameType::kData, 2, block));
            CHECK(stage.peer->was_read());
            credit -= block.size();
            sent += block.size();
        }
        CHECK(buffered());
        CHECK(stage.peer->send(FrameType::kShutdown, 2, "", abi::kShutdownSend));
        stage.peer.reset();
        const auto opened_again = [&] {
            stage.arrive();
            stage.offer(path);
            return stage.peer->hello() && stage.peer->open(2, 80) && stage.peer->accepted();
        };
        CHECK(!opened_again());
        go.set_value();
        CHECK(Peer::until(opened_again));
        stage.peer.reset();
        stage.pump->stop();
    }
    CHECK(received == sent);
}

}  // namespace

int main() {
    tap::test("a reader that stops inside a frame does not make us write beyond the ring",
              reads_that_end_inside_a_frame);
    tap::test("lists of services that were not taken do not accumulate",
              services_that_nobody_listens_to);
    tap::test("bytes that a peer left behind count against the memory budget",
              bytes_that_a_peer_left_behind_count);
    return tap::done();
}

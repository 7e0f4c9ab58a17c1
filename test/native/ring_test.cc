// The two ends of a ring: boundaries, wrapping, and indices that no correct peer writes.
#include <array>
#include <cstring>
#include <vector>

#include "ring/consumer.h"
#include "ring/producer.h"
#include "tap.h"

namespace {

using xsock::ring::Consumer;
using xsock::ring::Producer;

struct Ring {
    explicit Ring(std::size_t size, std::uint32_t start = 0)
        : buffer(size), prod(start), cons(start) {}
    std::vector<std::byte> buffer;
    std::uint32_t prod;
    std::uint32_t cons;
};

std::vector<std::byte> pattern(std::size_t length, unsigned seed) {
    std::vector<std::byte> bytes(length);
    for (std::size_t i = 0; i < length; ++i) {
        bytes[i] = static_cast<std::byte>((i * 31 + seed) & 0xff);
    }
    return bytes;
}

void boundaries() {
    for (const std::size_t size : {16U, 64U, 4096U}) {
        for (const std::size_t length : {std::size_t{0}, std::size_t{1}, size - 1, size}) {
            Ring ring(size);
            Producer producer(ring.buffer, ring.prod, ring.cons);
            Consumer consumer(ring.buffer, ring.prod, ring.cons);
            // Many rounds, so that every alignment of start and end with the edge occurs.
            for (unsigned round = 0; round < 40; ++round) {
                CHECK(producer.refresh());
                CHECK(producer.space() == size);
                const auto sent = pattern(length, round);
                producer.room(0, length).copy_from(sent);
                producer.advance(length);
                CHECK(producer.publish() == (length > 0));
                CHECK(consumer.refresh());
                CHECK(consumer.available() == length);
                std::vector<std::byte> got(length);
                consumer.data(0, length).copy_to(got);
                CHECK(got == sent);
                consumer.advance(length);
                CHECK(consumer.publish() == (length > 0));
            }
        }
    }
}

void unpublished_is_invisible() {
    Ring ring(64);
    Producer producer(ring.buffer, ring.prod, ring.cons);
    Consumer consumer(ring.buffer, ring.prod, ring.cons);
    producer.advance(10);
    CHECK(consumer.refresh());
    CHECK(consumer.available() == 0);
    producer.publish();
    CHECK(consumer.refresh());
    CHECK(consumer.available() == 10);
    consumer.advance(4);
    CHECK(producer.refresh());
    CHECK(producer.space() == 54);
    consumer.publish();
    CHECK(producer.refresh());
    CHECK(producer.space() == 58);
}

void hostile_producer_index() {
    for (const std::uint32_t claim : {65U, 1000U, 0xffffffffU, 0x80000000U}) {
        Ring ring(64);
        Consumer consumer(ring.buffer, ring.prod, ring.cons);
        ring.prod = claim;
        CHECK(!consumer.refresh());
        CHECK(consumer.available() == 0);
    }
    Ring ring(64);
    Consumer consumer(ring.buffer, ring.prod, ring.cons);
    ring.prod = 64;
    CHECK(consumer.refresh());
    ring.prod = 63;  // takes a byte back
    CHECK(!consumer.refresh());
    ring.prod = 64;
    consumer.advance(10);
    ring.prod = 74;  // more than the free space: nothing has been released yet
    CHECK(!consumer.refresh());
    consumer.publish();
    CHECK(consumer.refresh());
    CHECK(consumer.available() == 64);
}

void hostile_consumer_index() {
    Ring ring(64);
    Producer producer(ring.buffer, ring.prod, ring.cons);
    producer.advance(32);
    ring.cons = 1;  // read what was never published
    CHECK(!producer.refresh());
    ring.cons = 0;
    producer.publish();
    ring.cons = 33;
    CHECK(!producer.refresh());
    ring.cons = 0xffffffff;
    CHECK(!producer.refresh());
    ring.cons = 20;
    CHECK(producer.refresh());
    ring.cons = 19;  // un-reads a byte
    CHECK(!producer.refresh());
    CHECK(producer.space() == 52);
}

void own_index_is_private() {
    Ring ring(64);
    Producer producer(ring.buffer, ring.prod, ring.cons);
    producer.advance(16);
    producer.publish();
    ring.prod = 12345;  // the peer scribbles over our word
    producer.advance(8);
    producer.publish();
    CHECK(ring.prod == 24);
}

void index_wraps() {
    Ring ring(16);
    Producer producer(ring.buffer, ring.prod, ring.cons);
    Consumer consumer(ring.buffer, ring.prod, ring.cons);
    // Past 2^32 in steps that do not divide it.
    constexpr std::size_t kStep = 16;
    for (std::uint64_t total = 0; total < (std::uint64_t{1} << 32) + 64; total += kStep) {
        producer.advance(kStep);
        producer.publish();
        if (!consumer.refresh() || consumer.available() != kStep) {
            CHECK(false);
            return;
        }
        consumer.advance(kStep);
        consumer.publish();
        if (!producer.refresh()) {
            CHECK(false);
            return;
        }
    }
    CHECK(producer.space() == 16);
}

}  // namespace

int main() {
    tap::test("every length at every alignment arrives", boundaries);
    tap::test("nothing is visible before it is published", unpublished_is_invisible);
    tap::test("an impossible producer index is corrupt", hostile_producer_index);
    tap::test("an impossible consumer index is corrupt", hostile_consumer_index);
    tap::test("our own index is never read back from the page", own_index_is_private);
    tap::test("indices wrap at 2^32", index_wraps);
    return tap::done();
}

// Features (abi/features.h): what both HELLOs name may be sent, anything else that needs a feature
// ends the link. Feature::kTest stands for the next one.
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "peer.h"
#include "tap.h"

namespace {

using namespace by_hand;
using abi::Feature;
using abi::FeatureSet;

constexpr FeatureSet kTest{Feature::kTest};
constexpr const char* kNotNegotiated = "frame type 255 or a flag of it was not negotiated";

// A feature may bring flags of a type that needs none by itself.
constexpr abi::Requirement kRows[] = {
    {Feature::kTest, FrameType::kTest},
    {Feature::kTest, FrameType::kData, 0x06},
};
constexpr FeatureSet required(FrameType type, std::uint8_t flags = 0) {
    return abi::required_for(type, flags, kRows);
}

void what_a_frame_requires() {
    CHECK(required(FrameType::kTest).bits() == kTest.bits());
    CHECK(required(FrameType::kData).bits() == 0);
    CHECK(required(FrameType::kData, 0x02).bits() == kTest.bits());
    CHECK(required(FrameType::kData, 0xff).bits() == kTest.bits());
    // Nobody's flags are ignored, as in 0.1.0.
    CHECK(required(FrameType::kData, 0xf9).bits() == 0);
    CHECK(required(FrameType::kShutdown, abi::kShutdownSend).bits() == 0);
    CHECK(!FeatureSet().contains(kTest) && kTest.contains(kTest) && kTest.contains({}));
    CHECK((kTest & FeatureSet(1)).bits() == 0);
}

// 0.1.0 speaks them and sets no bit.
void the_base_set_requires_nothing() {
    for (const FrameType type :
         {FrameType::kHello, FrameType::kServices, FrameType::kPing, FrameType::kPong,
          FrameType::kGoodbye, FrameType::kLane, FrameType::kOpen, FrameType::kAccept,
          FrameType::kRefuse, FrameType::kData, FrameType::kShutdown, FrameType::kReset,
          FrameType::kCredit}) {
        CHECK(abi::required_for(type, 0xff).bits() == 0);
    }
}

// The features of the HELLO that the victim sends, which is its first frame.
std::uint64_t announced(Stage& stage) {
    std::string payload;
    abi::Hello hello{};
    const auto header = stage.peer->receive(&payload);
    CHECK(header && header->type == FrameType::kHello && payload.size() == sizeof hello);
    if (payload.size() == sizeof hello) {
        std::memcpy(&hello, payload.data(), sizeof hello);
    }
    return hello.features;
}

// What the event of a link that comes up says.
std::optional<std::uint64_t> negotiated(Stage& stage) {
    std::optional<std::uint64_t> features;
    Peer::until([&] {
        for (const pump::Event& event : stage.pump->take_events()) {
            if (const auto* up = std::get_if<link::LinkUp>(&event)) {
                features = up->features;
            }
        }
        return features.has_value();
    });
    return features;
}

bool still_answers(Stage& stage) {
    return stage.peer->send(FrameType::kPing, 0, "", 0, 7) &&
           stage.peer->receive(FrameType::kPong).has_value();
}

void both_ends_support_it() {
    Stage stage(1 << 20, 100, kTest);
    CHECK(stage.peer->hello(kTest.bits()));
    CHECK(announced(stage) == kTest.bits());
    CHECK(negotiated(stage) == kTest.bits());
    CHECK(stage.peer->send(FrameType::kTest, 0, "with a payload", 0xff, 7));
    CHECK(still_answers(stage));
}

void one_end_does_not(FeatureSet ours, FeatureSet theirs) {
    Stage stage(1 << 20, 100, ours);
    CHECK(stage.peer->hello(theirs.bits()));
    CHECK(announced(stage) == ours.bits());
    CHECK(negotiated(stage) == 0);
    CHECK(still_answers(stage));
    CHECK(stage.peer->send(FrameType::kTest, 0));
    CHECK(stage.fault_of(stage.link) == kNotNegotiated);
}

void negotiated_and_out_of_place() {
    Stage stage(1 << 20, 100, kTest);
    CHECK(stage.peer->hello(kTest.bits()));
    CHECK(stage.peer->send(FrameType::kTest, 2));
    CHECK(stage.fault_of(stage.link) == "frame type 255 does not belong to a stream");
}

void bits_of_a_newer_peer() {
    Stage stage;
    CHECK(stage.peer->hello(~std::uint64_t{0}));
    CHECK(announced(stage) == abi::kSupportedFeatures.bits());
    CHECK(negotiated(stage) == abi::kSupportedFeatures.bits());
    CHECK(still_answers(stage));
}

}  // namespace

int main() {
    tap::test("a frame or a flag requires the features that bring it", what_a_frame_requires);
    tap::test("the base set requires no feature", the_base_set_requires_nothing);
    tap::test("both ends support a feature: its frame is accepted", both_ends_support_it);
    tap::test("only we support it: its frame is a fault", [] { one_end_does_not(kTest, {}); });
    tap::test("only the peer supports it: its frame is a fault",
              [] { one_end_does_not({}, kTest); });
    tap::test("a feature's frame on a stream that it does not belong to",
              negotiated_and_out_of_place);
    tap::test("unknown bits of a newer peer are ignored", bits_of_a_newer_peer);
    return tap::done();
}

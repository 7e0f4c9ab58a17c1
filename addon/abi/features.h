// Features: what two daemons may say to each other beyond the base set, which every daemon since
// 0.1.0 speaks. Each is one bit of Hello.features; the bits that both ends set are negotiated. A
// daemon sends no frame and no flag of another feature, and a peer that does ends its link.
//
// A new feature is a bit here, a place in kSupportedFeatures, and a row of kRequirements for each
// frame type and flag that it brings. Reader and writer of a link check the rows.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "abi/frame.h"

namespace xsock::abi {

// Numbers of bits. They are assigned upwards from 0, and never again to another feature.
enum class Feature : std::uint8_t {
    kTest = 63,  // brings FrameType::kTest; supported in tests only, never by a daemon
};

class FeatureSet {
  public:
    constexpr FeatureSet() = default;
    // From the peer's HELLO: bits that we do not know are kept, and match nothing.
    constexpr explicit FeatureSet(std::uint64_t bits) noexcept : bits_(bits) {}
    constexpr FeatureSet(std::initializer_list<Feature> features) noexcept {
        for (const Feature feature : features) {
            bits_ |= std::uint64_t{1} << static_cast<unsigned>(feature);
        }
    }
    [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
    [[nodiscard]] constexpr bool contains(FeatureSet needed) const noexcept {
        return (needed.bits_ & ~bits_) == 0;
    }
    // Those of both: what two ends have negotiated.
    [[nodiscard]] constexpr FeatureSet operator&(FeatureSet other) const noexcept {
        return FeatureSet(bits_ & other.bits_);
    }
    [[nodiscard]] constexpr FeatureSet operator|(FeatureSet other) const noexcept {
        return FeatureSet(bits_ | other.bits_);
    }

  private:
    std::uint64_t bits_ = 0;
};

// What this version sets in its HELLO.
inline constexpr FeatureSet kSupportedFeatures{};
// `features` of the event link-up is a number in JavaScript, exact up to 53 bits.
static_assert(kSupportedFeatures.bits() >> 53 == 0);

struct Requirement {
    Feature feature;
    FrameType type;
    std::uint8_t flags = 0;  // any of these; 0: the type itself
};

inline constexpr Requirement kRequirements[] = {
    {.feature = Feature::kTest, .type = FrameType::kTest},
};

// The features that must have been negotiated for a frame. Empty for the base set, and for flags
// and types that no feature brings: those are for the reader to ignore or refuse.
[[nodiscard]] constexpr FeatureSet required_for(
    FrameType type, std::uint8_t flags,
    std::span<const Requirement> requirements = kRequirements) noexcept {
    FeatureSet required;
    for (const Requirement& row : requirements) {
        if (row.type == type && (row.flags == 0 || (row.flags & flags) != 0)) {
            required = required | FeatureSet{row.feature};
        }
    }
    return required;
}

}  // namespace xsock::abi

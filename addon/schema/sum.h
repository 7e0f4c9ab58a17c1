// The sum of two described structs, e.g. of the lanes of a link.
#pragma once

#include <algorithm>
#include <type_traits>
#include <vector>

#include "schema/schema.h"

namespace xsock::schema {

template <Described T>
void add(T& sum, const T& other);

// Whether two elements of a list are about the same: all that is not summed is equal.
template <Described T>
bool same(const T& left, const T& right) {
    bool result = true;
    for_each_field<T>([&](const auto& field) {
        result =
            result && (field.sum != Sum::kFirst || left.*(field.member) == right.*(field.member));
    });
    return result;
}

template <Described T>
void add(std::vector<T>& sum, const std::vector<T>& other) {
    for (const T& element : other) {
        const auto known =
            std::find_if(sum.begin(), sum.end(), [&](const T& one) { return same(one, element); });
        if (known == sum.end()) {
            sum.push_back(element);
        } else {
            add(*known, element);
        }
    }
}

template <Described T>
void add(T& sum, const T& other) {
    for_each_field<T>([&](const auto& field) {
        auto& left = sum.*(field.member);
        const auto& right = other.*(field.member);
        if constexpr (requires { add(left, right); }) {
            add(left, right);
        } else if constexpr (std::is_arithmetic_v<std::decay_t<decltype(left)>>) {
            if (field.sum == Sum::kAdd) {
                left += right;
            } else if (field.sum == Sum::kLargest) {
                left = std::max(left, right);
            }
        }
    });
}

}  // namespace xsock::schema

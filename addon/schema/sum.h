// The sum of two described structs, e.g. of the lanes of a link.
#pragma once

#include <algorithm>

#include "schema/schema.h"

namespace xsock::schema {

template <Described T>
void add(T& sum, const T& other) {
    for_each_field<T>([&](const auto& field) {
        auto& left = sum.*(field.member);
        const auto& right = other.*(field.member);
        if constexpr (kIsInlined<std::decay_t<decltype(field)>>) {
            add(left, right);
        } else if (field.sum == Sum::kAdd) {
            left += right;
        } else if (field.sum == Sum::kLargest) {
            left = std::max(left, right);
        }
    });
}

}  // namespace xsock::schema

// What crosses between C++ and JavaScript, described once: beside each struct stands the list of
// its fields, beside each enumeration its names, as an overload of describe() that is found by
// argument-dependent look-up. The binding converts by these lists (binding/to_js.h, from_js.h),
// lanes are summed by them (schema/sum.h), and the types of TypeScript are compared with them
// (schema/typescript.h). Nothing here knows JavaScript.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace xsock::schema {

// Selects an overload: describe(Of<LinkUp>).
template <typename T>
struct Of {};

// How a value is written in JavaScript, where its type does not say it.
enum class Form : std::uint8_t {
    kPlain,         // as the type says
    kAnyBytes,      // text that may be a peer's: a character per byte, nothing is lost or rejected
    kHex,           // bytes as hexadecimal text
    kBigInt,        // 64 bits that are an identity, not a quantity
    kAbsentIfZero,  // the property is not there
    kUndefinedIfZero,  // the property is there, and undefined if zero or empty
    kMicroseconds,     // of a duration; else milliseconds
};

// What becomes of a field when the lanes of a link are reported as one.
enum class Sum : std::uint8_t { kAdd, kLargest, kFirst };

template <typename Owner, typename Value>
struct Field {
    using Type = Value;
    const char* name;
    Value Owner::*member;
    Form form = Form::kPlain;
    Sum sum = Sum::kAdd;

    [[nodiscard]] constexpr Field as(Form other) const { return {name, member, other, sum}; }
    [[nodiscard]] constexpr Field summed(Sum other) const { return {name, member, form, other}; }
};

// A member whose own fields appear among those of its owner.
template <typename Owner, typename Value>
struct Inlined {
    using Type = Value;
    Value Owner::*member;
};

template <typename T>
inline constexpr bool kIsInlined = false;
template <typename Owner, typename Value>
inline constexpr bool kIsInlined<Inlined<Owner, Value>> = true;

template <typename... Fields>
struct Object {
    const char* kind;  // the property `kind`; null: there is none
    std::tuple<Fields...> fields;
};

template <typename Owner, typename Value>
constexpr Field<Owner, Value> field(const char* name, Value Owner::*member) {
    return {name, member};
}
template <typename Owner, typename Value>
constexpr Inlined<Owner, Value> inlined(Value Owner::*member) {
    return {member};
}
template <typename... Fields>
constexpr Object<Fields...> object(Fields... fields) {
    return {nullptr, {fields...}};
}
// An alternative of a union, e.g. an event.
template <typename... Fields>
constexpr Object<Fields...> kind(const char* name, Fields... fields) {
    return {name, {fields...}};
}

namespace detail {

struct Anything {
    template <typename T>
    operator T() const;
};
template <typename T, typename... Values>
constexpr std::size_t count_members() {
    if constexpr (requires { T{Values{}..., Anything{}}; }) {
        return count_members<T, Values..., Anything>();
    } else {
        return sizeof...(Values);
    }
}

// Compilers print a value that has no name as a cast: (E)8.
template <auto kValue>
constexpr bool has_name() {
    const std::string_view text = __PRETTY_FUNCTION__;
    return text[text.find("kValue = ") + std::string_view("kValue = ").size()] != '(';
}

}  // namespace detail

template <typename T>
concept Enumeration = std::is_enum_v<T> && requires {
    describe(Of<T>{});
};
template <typename T>
concept Described = std::is_class_v<T> && requires {
    describe(Of<T>{});
};

// Of an enumeration, in the order of its values, which count from 0.
template <typename E, typename... Text>
constexpr std::array<const char*, sizeof...(Text)> names(Text... text) {
    static_assert(detail::has_name<static_cast<E>(sizeof...(Text) - 1)>() &&
                      !detail::has_name<static_cast<E>(sizeof...(Text))>(),
                  "each value of the enumeration has a name");
    return {text...};
}

template <Enumeration E>
constexpr const char* name_of(E value) {
    return describe(Of<E>{})[static_cast<std::size_t>(value)];
}

// Calls `visit` with each Field or Inlined of T, in order.
template <Described T, typename Visit>
constexpr void for_each_field(Visit visit) {
    constexpr auto kObject = describe(Of<T>{});
    static_assert(std::tuple_size_v<decltype(kObject.fields)> == detail::count_members<T>(),
                  "each member of the struct crosses into JavaScript");
    std::apply([&](const auto&... fields) { (visit(fields), ...); }, kObject.fields);
}

template <Described T>
constexpr const char* kind_of() {
    return describe(Of<T>{}).kind;
}

}  // namespace xsock::schema

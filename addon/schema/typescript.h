// The TypeScript type of what is described, as text: `{ link: number; detail: string }`. A test
// compares it with the types that the control plane is compiled with
// (test/unit/dataplane/boundary.test.ts).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "schema/schema.h"

namespace xsock::schema {

template <typename T>
struct TypeScript;

template <typename T>
std::string typescript() {
    return TypeScript<std::remove_cvref_t<T>>::text();
}

namespace detail {

template <Described T>
void append_fields(std::string& text) {
    for_each_field<T>([&](const auto& field) {
        using F = std::decay_t<decltype(field)>;
        if constexpr (kIsInlined<F>) {
            append_fields<typename F::Type>(text);
        } else {
            text += field.name;
            text += field.form == Form::kAbsentIfZero ? "?: " : ": ";
            text += field.form == Form::kHex      ? "string"
                    : field.form == Form::kBigInt ? "bigint"
                                                  : typescript<typename F::Type>();
            text += field.form == Form::kUndefinedIfZero ? " | undefined; " : "; ";
        }
    });
}

}  // namespace detail

template <typename T>
requires std::is_arithmetic_v<T>
struct TypeScript<T> {
    static std::string text() { return std::is_same_v<T, bool> ? "boolean" : "number"; }
};
template <>
struct TypeScript<void> {
    static std::string text() { return "void"; }
};
template <>
struct TypeScript<std::string> {
    static std::string text() { return "string"; }
};
template <typename Rep, typename Period>
struct TypeScript<std::chrono::duration<Rep, Period>> {
    static std::string text() { return "number"; }
};
template <>
struct TypeScript<std::vector<std::byte>> {
    static std::string text() { return "Uint8Array"; }
};
template <std::size_t N>
struct TypeScript<std::array<std::uint8_t, N>> {
    static std::string text() { return "Uint8Array"; }
};
template <Enumeration E>
struct TypeScript<E> {
    static std::string text() {
        std::string result;
        for (const char* name : describe(Of<E>{})) {
            result += (result.empty() ? "'" : " | '") + std::string(name) + "'";
        }
        return result;
    }
};
template <Described T>
struct TypeScript<T> {
    static std::string text() {
        std::string result = "{ ";
        if (kind_of<T>() != nullptr) {
            result += "kind: '" + std::string(kind_of<T>()) + "'; ";
        }
        detail::append_fields<T>(result);
        return result + "}";
    }
};
template <typename... Alternatives>
struct TypeScript<std::variant<Alternatives...>> {
    static std::string text() {
        std::string result;
        ((result += (result.empty() ? "" : " | ") + typescript<Alternatives>()), ...);
        return result;
    }
};
template <typename T>
struct TypeScript<std::vector<T>> {
    static std::string text() { return "(" + typescript<T>() + ")[]"; }
};

}  // namespace xsock::schema

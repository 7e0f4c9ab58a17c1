// JavaScript values as C++'s, by the types and descriptions of these (schema/schema.h). What is
// passed is our own control plane's, checked by TypeScript. JavaScript thread.
#pragma once

#include <napi.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "schema/schema.h"

namespace xsock::binding {

template <typename T>
struct FromJs;

template <typename T>
std::remove_cvref_t<T> from_js(const Napi::Value& value) {
    return FromJs<std::remove_cvref_t<T>>::convert(value);
}

template <typename T>
requires std::is_arithmetic_v<T>
struct FromJs<T> {
    // -1 becomes the largest value of an unsigned type: chown(2) takes it for "unchanged".
    static T convert(const Napi::Value& value) {
        return static_cast<T>(value.ToNumber().Int64Value());
    }
};
template <>
struct FromJs<bool> {
    static bool convert(const Napi::Value& value) { return value.ToBoolean(); }
};
template <>
struct FromJs<std::string> {
    static std::string convert(const Napi::Value& value) { return value.ToString().Utf8Value(); }
};
// Milliseconds. A day is longer than anything that is waited for, and far from overflow.
template <typename Rep, typename Period>
struct FromJs<std::chrono::duration<Rep, Period>> {
    static constexpr std::int64_t kLongest = std::int64_t{24} * 60 * 60 * 1000;
    static std::chrono::duration<Rep, Period> convert(const Napi::Value& value) {
        return std::chrono::milliseconds(
            std::clamp(value.ToNumber().Int64Value(), std::int64_t{0}, kLongest));
    }
};
template <>
struct FromJs<std::vector<std::byte>> {
    static std::vector<std::byte> convert(const Napi::Value& value) {
        const auto array = value.As<Napi::Uint8Array>();
        std::vector<std::byte> result(array.ByteLength());
        std::memcpy(result.data(), array.Data(), result.size());
        return result;
    }
};
template <std::size_t N>
struct FromJs<std::array<std::uint8_t, N>> {
    static std::array<std::uint8_t, N> convert(const Napi::Value& value) {
        const auto bytes = from_js<std::vector<std::byte>>(value);
        std::array<std::uint8_t, N> result;
        if (bytes.size() != N) {
            throw Napi::TypeError::New(value.Env(), std::to_string(N) + " bytes are needed");
        }
        std::memcpy(result.data(), bytes.data(), N);
        return result;
    }
};
template <schema::Described T>
struct FromJs<T> {
    static T convert(const Napi::Value& value) {
        T result{};
        const Napi::Object object = value.As<Napi::Object>();
        schema::for_each_field<T>([&](const auto& field) {
            using Value = typename std::decay_t<decltype(field)>::Type;
            const Napi::Value property = object.Get(field.name);
            if (property.IsUndefined() && field.form == schema::Form::kUndefinedIfZero) {
                return;
            }
            if constexpr (requires { std::chrono::duration_cast<Value>(Value{}); }) {
                if (field.form == schema::Form::kMicroseconds) {
                    result.*(field.member) =
                        std::chrono::microseconds(property.ToNumber().Int64Value());
                    return;
                }
            }
            result.*(field.member) = from_js<Value>(property);
        });
        return result;
    }
};
// The alternative that the property `kind` names.
template <typename... Alternatives>
struct FromJs<std::variant<Alternatives...>> {
    static std::variant<Alternatives...> convert(const Napi::Value& value) {
        const std::string kind = value.As<Napi::Object>().Get("kind").ToString().Utf8Value();
        std::variant<Alternatives...> result;
        const bool known = ((kind == schema::kind_of<Alternatives>() &&
                             (result = from_js<Alternatives>(value), true)) ||
                            ...);
        if (!known) {
            throw Napi::TypeError::New(value.Env(), "unknown kind '" + kind + "'");
        }
        return result;
    }
};
template <typename T>
struct FromJs<std::vector<T>> {
    static std::vector<T> convert(const Napi::Value& value) {
        const Napi::Array array = value.As<Napi::Array>();
        std::vector<T> result;
        result.reserve(array.Length());
        for (std::uint32_t i = 0; i < array.Length(); ++i) {
            result.push_back(from_js<T>(array.Get(i)));
        }
        return result;
    }
};

}  // namespace xsock::binding

// C++ values as JavaScript's, by their types and descriptions (schema/schema.h). JavaScript thread.
#pragma once

#include <napi.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "schema/schema.h"

namespace xsock::binding {

// A character per byte: whatever a peer sent, nothing is lost or rejected. The control plane
// escapes it for display.
inline Napi::String any_bytes_to_js(Napi::Env env, const std::string& text) {
    std::u16string wide;
    wide.reserve(text.size());
    for (const char c : text) {
        wide.push_back(static_cast<unsigned char>(c));
    }
    return Napi::String::New(env, wide);
}

template <std::size_t N>
Napi::String hex_to_js(Napi::Env env, const std::array<std::uint8_t, N>& bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += kHex[byte >> 4];
        text += kHex[byte & 15];
    }
    return Napi::String::New(env, text);
}

template <typename T>
struct ToJs;

template <typename T>
Napi::Value to_js(Napi::Env env, const T& value) {
    return ToJs<T>::convert(env, value);
}

template <typename T>
requires std::is_arithmetic_v<T>
struct ToJs<T> {
    static Napi::Value convert(Napi::Env env, T value) {
        return Napi::Number::New(env, static_cast<double>(value));
    }
};
template <>
struct ToJs<bool> {
    static Napi::Value convert(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }
};
template <>
struct ToJs<std::string> {
    static Napi::Value convert(Napi::Env env, const std::string& value) {
        return Napi::String::New(env, value);
    }
};
template <typename Rep, typename Period>
struct ToJs<std::chrono::duration<Rep, Period>> {
    static Napi::Value convert(Napi::Env env, std::chrono::duration<Rep, Period> value) {
        const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
        return Napi::Number::New(env, static_cast<double>(count));
    }
};
template <>
struct ToJs<std::vector<std::byte>> {
    static Napi::Value convert(Napi::Env env, const std::vector<std::byte>& value) {
        return Napi::Buffer<std::uint8_t>::Copy(
            env, reinterpret_cast<const std::uint8_t*>(value.data()), value.size());
    }
};
template <schema::Enumeration E>
struct ToJs<E> {
    static Napi::Value convert(Napi::Env env, E value) {
        return Napi::String::New(env, schema::name_of(value));
    }
};
template <schema::Described T>
struct ToJs<T> {
    static Napi::Value convert(Napi::Env env, const T& value) {
        Napi::Object result = Napi::Object::New(env);
        if (schema::kind_of<T>() != nullptr) {
            result.Set("kind", schema::kind_of<T>());
        }
        set_fields(env, result, value);
        return result;
    }
    static void set_fields(Napi::Env env, Napi::Object& into, const T& from) {
        schema::for_each_field<T>([&](const auto& field) {
            using Field = std::decay_t<decltype(field)>;
            using Value = typename Field::Type;
            const Value& value = from.*(field.member);
            if constexpr (schema::kIsInlined<Field>) {
                ToJs<Value>::set_fields(env, into, value);
            } else if (!omitted(field, value)) {
                into.Set(field.name, formed(env, field, value));
            }
        });
    }

  private:
    template <typename Field, typename Value>
    static bool omitted(const Field& field, const Value& value) {
        if constexpr (std::is_arithmetic_v<Value>) {
            return field.form == schema::Form::kAbsentIfZero && value == 0;
        }
        return false;
    }
    template <typename Field, typename Value>
    static Napi::Value formed(Napi::Env env, const Field& field, const Value& value) {
        if constexpr (std::is_same_v<Value, std::string>) {
            if (field.form == schema::Form::kAnyBytes) {
                return any_bytes_to_js(env, value);
            }
            return to_js(env, value);
        } else if constexpr (requires { hex_to_js(env, value); }) {
            return hex_to_js(env, value);
        } else if constexpr (std::is_same_v<Value, std::uint64_t>) {
            if (field.form == schema::Form::kBigInt) {
                return Napi::BigInt::New(env, value);
            }
            return to_js(env, value);
        } else {
            return to_js(env, value);
        }
    }
};
template <typename... Alternatives>
struct ToJs<std::variant<Alternatives...>> {
    static Napi::Value convert(Napi::Env env, const std::variant<Alternatives...>& value) {
        return std::visit([env](const auto& alternative) { return to_js(env, alternative); },
                          value);
    }
};
template <typename T>
struct ToJs<std::vector<T>> {
    static Napi::Value convert(Napi::Env env, const std::vector<T>& values) {
        Napi::Array result = Napi::Array::New(env, values.size());
        for (std::uint32_t i = 0; i < values.size(); ++i) {
            result.Set(i, to_js(env, values[i]));
        }
        return result;
    }
};

}  // namespace xsock::binding

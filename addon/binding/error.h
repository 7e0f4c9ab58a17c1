// The one place where C++ exceptions become JavaScript errors: `code` is the errno's name, `errno`
// its number, the message says what failed.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "sys/error.h"

namespace xsock::binding {

inline Napi::Error to_js(Napi::Env env, const std::system_error& error) {
    Napi::Error result = Napi::Error::New(env, error.what());
    const char* const name = ::strerrorname_np(error.code().value());
    result.Set("code", Napi::String::New(env, name == nullptr ? "UNKNOWN" : name));
    result.Set("errno", Napi::Number::New(env, error.code().value()));
    return result;
}

// The object behind a JavaScript class; ECANCELED after its close(), with a message that names it.
template <typename Work>
Work& opened(const std::shared_ptr<Work>& work, const char* closed) {
    if (work == nullptr) {
        sys::throw_errno(closed, ECANCELED);
    }
    return *work;
}

// Runs `function`; a std::system_error leaves it as a JavaScript error.
template <typename Function>
auto translated(Napi::Env env, Function function) -> decltype(function()) {
    try {
        return function();
    } catch (const std::system_error& error) {
        throw to_js(env, error);
    }
}

}  // namespace xsock::binding

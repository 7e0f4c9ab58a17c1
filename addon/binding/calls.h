// A call of JavaScript as a line in a table: its name, the C++ function behind it and the names of
// the parameters. Arguments and result are converted by their C++ types (from_js.h, to_js.h).
#pragma once

#include <napi.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "binding/async.h"
#include "binding/error.h"
#include "binding/from_js.h"
#include "binding/to_js.h"
#include "schema/typescript.h"

namespace xsock::binding {

enum class How : std::uint8_t {
    kDirectly,    // on the JavaScript thread, which waits for the data plane's
    kOnWorker,    // may block, so on a libuv worker: JavaScript gets a promise
    kEvenClosed,  // as kDirectly; does nothing after close(), where others fail with ECANCELED
};

// A method of Core, or a function whose first parameter is a Core.
template <typename Function>
struct Signature;
template <typename Return, typename Of, typename... Parameters>
struct Signature<Return (Of::*)(Parameters...)> {
    using Core = Of;
    using Result = Return;
    using Arguments = std::tuple<std::remove_cvref_t<Parameters>...>;
};
template <typename Return, typename Of, typename... Parameters>
struct Signature<Return (*)(Of&, Parameters...)> : Signature<Return (Of::*)(Parameters...)> {};

template <auto kFunction, How kHow = How::kDirectly>
struct Call {
    using Of = Signature<decltype(kFunction)>;
    using Core = typename Of::Core;
    using Result = typename Of::Result;
    using Arguments = typename Of::Arguments;
    static constexpr std::size_t kArity = std::tuple_size_v<Arguments>;

    const char* name;
    std::array<const char*, kArity> parameters{};

    // `closed` is the message after close(), when `core` is null.
    static Napi::Value invoke(const Napi::CallbackInfo& info, const std::shared_ptr<Core>& core,
                              const char* closed) {
        const Napi::Env env = info.Env();
        if constexpr (kHow == How::kEvenClosed) {
            if (core == nullptr) {
                return no_result(env);
            }
        }
        Arguments arguments = arguments_of(info, std::make_index_sequence<kArity>());
        const auto run = [core, closed, arguments = std::move(arguments)] {
            return std::apply(
                [&](const auto&... values) -> Result {
                    return std::invoke(kFunction, opened(core, closed), values...);
                },
                arguments);
        };
        if constexpr (kHow == How::kOnWorker && std::is_void_v<Result>) {
            return AsyncCall<bool>::start(
                env, [run] { return run(), true; },
                [](Napi::Env later, const bool&) { return later.Undefined(); });
        } else if constexpr (kHow == How::kOnWorker) {
            return AsyncCall<Result>::start(
                env, run, [](Napi::Env later, const Result& got) { return to_js(later, got); });
        } else if constexpr (std::is_void_v<Result>) {
            translated(env, run);
            return env.Undefined();
        } else {
            return to_js(env, translated(env, run));
        }
    }

    // As in TypeScript: name(parameter: type): result.
    [[nodiscard]] std::string typescript() const {
        std::string text =
            std::string(name) + "(" + parameters_of(std::make_index_sequence<kArity>()) + "): ";
        const std::string result = schema::typescript<Result>();
        return text + (kHow == How::kOnWorker ? "Promise<" + result + ">" : result);
    }

  private:
    template <std::size_t... kIndex>
    static Arguments arguments_of(const Napi::CallbackInfo& info, std::index_sequence<kIndex...>) {
        return Arguments{from_js<std::tuple_element_t<kIndex, Arguments>>(info[kIndex])...};
    }
    template <std::size_t... kIndex>
    [[nodiscard]] std::string parameters_of(std::index_sequence<kIndex...>) const {
        std::string text;
        ((text += std::string(kIndex == 0 ? "" : ", ") + parameters[kIndex] + ": " +
                  schema::typescript<std::tuple_element_t<kIndex, Arguments>>()),
         ...);
        return text;
    }
    static Napi::Value no_result(Napi::Env env) {
        if constexpr (std::is_void_v<Result>) {
            return env.Undefined();
        } else {
            return to_js(env, Result{});
        }
    }
};

}  // namespace xsock::binding

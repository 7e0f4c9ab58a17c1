// What the JavaScript classes `Dataplane` and `Vchan` have in common: an object with threads of its
// own behind a table of calls. JavaScript thread only. Events are announced by the `wake` callback
// (for which no thread waits) and fetched by takeEvents(). `Self` has a static calls(), the table
// (calls.h), and kName and kClosed, the message of what is called after close().
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "binding/async.h"
#include "binding/calls.h"

namespace xsock::binding {

template <typename Self, typename Core>
class Plane : public Napi::ObjectWrap<Self> {
  public:
    static void init(Napi::Env env, Napi::Object exports) {
        std::vector<typename Plane::Property> methods = std::apply(
            [](const auto&... call) {
                return std::vector<typename Plane::Property>{method(call)...};
            },
            Self::calls());
        methods.push_back(Self::InstanceMethod("close", &Plane::close));
        exports.Set(Self::kName, Self::DefineClass(env, Self::kName, methods));
    }
    // The interface of its calls, in TypeScript.
    static std::string typescript() {
        std::string text = "{ ";
        std::apply([&](const auto&... call) { ((text += call.typescript() + "; "), ...); },
                   Self::calls());
        return text + "close(): Promise<void>; }";
    }
    ~Plane() override {
        if (core_) {
            core_->stop();
            wake_.Release();
        }
    }

  protected:
    using Property = Napi::ClassPropertyDescriptor<Self>;

    // new Self(options, wake). `make` gets what announces events, which any thread may call.
    template <typename Make>
    Plane(const Napi::CallbackInfo& info, Make make) : Napi::ObjectWrap<Self>(info) {
        // One slot: a wake-up that finds it taken is redundant, since the pending one fetches all
        // events.
        wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), Self::kName,
                                              1, 1);
        Napi::ThreadSafeFunction wake = wake_;
        try {
            core_ =
                translated(info.Env(), [&] { return make([wake] { wake.NonBlockingCall(); }); });
        } catch (...) {
            wake_.Release();
            throw;
        }
    }

  private:
    template <auto kFunction, How kHow>
    static Property method(const Call<kFunction, kHow>& call) {
        return Self::InstanceMethod(call.name, &Plane::template invoke<Call<kFunction, kHow>>);
    }
    template <typename Called>
    Napi::Value invoke(const Napi::CallbackInfo& info) {
        return Called::invoke(info, core_, Self::kClosed);
    }
    // Ends the threads on a worker: JavaScript does not wait for one that hangs. Idempotent.
    Napi::Value close(const Napi::CallbackInfo& info) {
        return AsyncCall<bool>::start(
            info.Env(),
            [core = std::exchange(core_, nullptr)] {
                if (core) {
                    core->stop();
                }
                return core != nullptr;
            },
            [wake = wake_](Napi::Env env, const bool& was_open) mutable {
                if (was_open) {
                    wake.Release();
                }
                return env.Undefined();
            });
    }

    std::shared_ptr<Core> core_;
    Napi::ThreadSafeFunction wake_;
};

}  // namespace xsock::binding

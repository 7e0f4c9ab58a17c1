// Runs a function on a libuv worker thread and settles a promise with what it returns or throws.
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include "binding/error.h"

namespace xsock::binding {

template <typename Result>
class AsyncCall final : public Napi::AsyncWorker {
  public:
    using Work = std::function<Result()>;
    using Convert = std::function<Napi::Value(Napi::Env, const Result&)>;

    static Napi::Promise start(Napi::Env env, Work work, Convert convert) {
        auto* call = new AsyncCall(env, std::move(work), std::move(convert));  // deletes itself
        call->Queue();
        return call->deferred_.Promise();
    }

  protected:
    void Execute() override {
        try {
            result_.emplace(work_());
        } catch (const std::system_error& error) {
            failure_.emplace(error);
        }
    }
    void OnOK() override {
        if (failure_) {
            deferred_.Reject(to_js(Env(), *failure_).Value());
        } else {
            deferred_.Resolve(convert_(Env(), *result_));
        }
    }
    void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

  private:
    AsyncCall(Napi::Env env, Work work, Convert convert)
        : Napi::AsyncWorker(env),
          deferred_(Napi::Promise::Deferred::New(env)),
          work_(std::move(work)),
          convert_(std::move(convert)) {}

    Napi::Promise::Deferred deferred_;
    Work work_;
    Convert convert_;
    std::optional<Result> result_;
    std::optional<std::system_error> failure_;
};

}  // namespace xsock::binding

#include "binding/vchan.h"

#include <utility>

#include "binding/async.h"
#include "binding/convert.h"
#include "binding/error.h"
#include "sys/socket.h"

namespace xsock::binding {

namespace {

std::uint32_t u32(const Napi::CallbackInfo& info, std::size_t index) {
    return static_cast<std::uint32_t>(info[index].ToNumber().Int64Value());
}

vchan::Relays& opened(const std::shared_ptr<vchan::Relays>& relays) {
    return binding::opened(relays, "the raw vchans are closed");
}

// The names of daemon/dataplane/vchan.ts.
const char* name_of(vchan::End end) {
    switch (end) {
        case vchan::End::kNone:
        case vchan::End::kClosed:
            break;
        case vchan::End::kPeerGone:
            return "peer-gone";
        case vchan::End::kLocalGone:
            return "local-gone";
        case vchan::End::kTargetUnavailable:
            return "target-unavailable";
        case vchan::End::kCorrupt:
            return "corrupt";
        case vchan::End::kTerminated:
            return "terminated";
    }
    return "closed";
}

struct ToJs {
    Napi::Env env;

    Napi::Object operator()(const vchan::ConnectionPending& pending) const {
        Napi::Object result = of_kind("connection-pending");
        result.Set("listener", pending.listener);
        return result;
    }
    Napi::Object operator()(const vchan::ListenerError& error) const {
        Napi::Object result = of_kind("listener-error");
        result.Set("listener", error.listener);
        result.Set("detail", error.detail);
        return result;
    }
    Napi::Object operator()(const vchan::Opened& opened) const {
        Napi::Object result = of_kind("opened");
        result.Set("relay", opened.relay);
        return result;
    }
    Napi::Object operator()(const vchan::Alive& alive) const {
        Napi::Object result = of_kind("alive");
        result.Set("ping", alive.ping);
        return result;
    }
    Napi::Object operator()(const vchan::PortsResting&) const { return of_kind("ports-resting"); }
    Napi::Object operator()(const vchan::Ended& ended) const {
        Napi::Object result = of_kind("ended");
        result.Set("relay", ended.relay);
        result.Set("reason", name_of(ended.reason));
        result.Set("detail", ended.detail);
        result.Set("opened", ended.opened);
        result.Set("bytesSent", static_cast<double>(ended.bytes_sent));
        result.Set("bytesReceived", static_cast<double>(ended.bytes_received));
        return result;
    }

  private:
    [[nodiscard]] Napi::Object of_kind(const char* kind) const {
        Napi::Object result = Napi::Object::New(env);
        result.Set("kind", kind);
        return result;
    }
};

}  // namespace

void Vchan::init(Napi::Env env, Napi::Object exports) {
    exports.Set("Vchan",
                DefineClass(env, "Vchan",
                            {
                                InstanceMethod<&Vchan::serve>("serve"),
                                InstanceMethod<&Vchan::connect>("connect"),
                                InstanceMethod<&Vchan::listen>("listen"),
                                InstanceMethod<&Vchan::unlisten>("unlisten"),
                                InstanceMethod<&Vchan::refuse>("refuse"),
                                InstanceMethod<&Vchan::terminate>("terminate"),
                                InstanceMethod<&Vchan::ping>("ping"),
                                InstanceMethod<&Vchan::take_events>("takeEvents"),
                                InstanceMethod<&Vchan::abandon_hypervisor>("abandonHypervisor"),
                                InstanceMethod<&Vchan::settle_hypervisor>("settleHypervisor"),
                                InstanceMethod<&Vchan::close>("close"),
                            }));
}

Vchan::Vchan(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Vchan>(info) {
    const Napi::Object where = info[0].As<Napi::Object>();
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "vchan events",
                                          1, 1);
    Napi::ThreadSafeFunction wake = wake_;
    try {
        relays_ = translated(info.Env(), [&] {
            return std::make_shared<vchan::Relays>(connect_hypervisor(where),
                                                   [wake] { wake.NonBlockingCall(); });
        });
    } catch (...) {
        wake_.Release();
        throw;
    }
}

Vchan::~Vchan() {
    if (relays_) {
        relays_->stop();
        wake_.Release();
    }
}

// Ends the thread on a worker, as Dataplane::close().
Napi::Value Vchan::close(const Napi::CallbackInfo& info) {
    return AsyncCall<bool>::start(
        info.Env(),
        [relays = std::exchange(relays_, nullptr)] {
            if (relays) {
                relays->stop();
            }
            return relays != nullptr;
        },
        [wake = wake_](Napi::Env env, const bool& was_open) mutable {
            if (was_open) {
                wake.Release();
            }
            return env.Undefined();
        });
}

Napi::Value Vchan::serve(const Napi::CallbackInfo& info) {
    return AsyncCall<vchan::Relays::Offer>::start(
        info.Env(),
        [relays = relays_, peer = u32(info, 0), order = u32(info, 1),
         target = address_from_js(info[2].As<Napi::Object>())] {
            return opened(relays).serve(static_cast<hypervisor::DomId>(peer),
                                        static_cast<std::uint16_t>(order), target);
        },
        [](Napi::Env env, const vchan::Relays::Offer& made) {
            Napi::Object result = Napi::Object::New(env);
            result.Set("relay", made.relay);
            result.Set("ringRef", made.ring_ref);
            result.Set("eventChannel", made.port);
            return result;
        });
}

Napi::Value Vchan::connect(const Napi::CallbackInfo& info) {
    return AsyncCall<vchan::RelayId>::start(
        info.Env(),
        [relays = relays_, listener = u32(info, 0), peer = u32(info, 1), ring_ref = u32(info, 2),
         port = u32(info, 3)] {
            return opened(relays).connect(listener, static_cast<hypervisor::DomId>(peer), ring_ref,
                                          port);
        },
        [](Napi::Env env, const vchan::RelayId& relay) { return Napi::Number::New(env, relay); });
}

Napi::Value Vchan::listen(const Napi::CallbackInfo& info) {
    return translated(info.Env(), [&] {
        sys::UniqueFd socket = sys::listen_unix(info[0].ToString().Utf8Value(), u32(info, 1),
                                                u32(info, 2), u32(info, 3));
        return Napi::Number::New(info.Env(), opened(relays_).listen(std::move(socket)));
    });
}

void Vchan::unlisten(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(relays_).unlisten(u32(info, 0)); });
}

void Vchan::refuse(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(relays_).refuse(u32(info, 0)); });
}

void Vchan::terminate(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(relays_).terminate(u32(info, 0)); });
}

void Vchan::ping(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(relays_).ping(u32(info, 0)); });
}

void Vchan::settle_hypervisor(const Napi::CallbackInfo& info) {
    if (relays_) {
        translated(info.Env(), [&] { relays_->settle_hypervisor(); });
    }
}

void Vchan::abandon_hypervisor(const Napi::CallbackInfo& info) {
    if (relays_) {
        translated(info.Env(), [&] { relays_->abandon_hypervisor(); });
    }
}

Napi::Value Vchan::take_events(const Napi::CallbackInfo& info) {
    Napi::Array result = Napi::Array::New(info.Env());
    if (relays_) {
        for (const vchan::Event& event : relays_->take_events()) {
            result.Set(result.Length(), std::visit(ToJs{info.Env()}, event));
        }
    }
    return result;
}

}  // namespace xsock::binding

#include "binding/dataplane.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "binding/async.h"
#include "binding/convert.h"
#include "binding/error.h"
#include "hypervisor/self/self.h"
#include "sys/error.h"
#include "sys/socket.h"

namespace xsock::binding {

namespace {

std::uint32_t u32(const Napi::CallbackInfo& info, std::size_t index) {
    return info[index].ToNumber().Uint32Value();
}

std::uint16_t domid(const Napi::CallbackInfo& info, std::size_t index) {
    return static_cast<std::uint16_t>(u32(info, index));
}

// Longer than any sensible drain, and far from overflow.
constexpr std::int64_t kLongestDrain = std::int64_t{24} * 60 * 60 * 1000;

pump::Pumps& opened(const std::shared_ptr<pump::Pumps>& pumps) {
    return binding::opened(pumps, "the data plane is closed");
}

std::vector<pump::HypervisorHandles> hypervisors_from_js(const Napi::Object& options) {
    const std::uint32_t count = options.Get("pumps").ToNumber().Uint32Value();
    if (count < 1 || count > abi::kMaxLanes) {
        sys::throw_errno("pumps", EINVAL);
    }
    const Napi::Object where = options.Get("hypervisor").As<Napi::Object>();
    std::vector<pump::HypervisorHandles> result;
    for (std::uint32_t i = 0; i < count; ++i) {
        result.push_back({connect_hypervisor(where), hypervisor::make_self_hypervisor()});
    }
    return result;
}

}  // namespace

void Dataplane::init(Napi::Env env, Napi::Object exports) {
    exports.Set("Dataplane",
                DefineClass(env, "Dataplane",
                            {
                                InstanceMethod<&Dataplane::offer>("offer"),
                                InstanceMethod<&Dataplane::connect>("connect"),
                                InstanceMethod<&Dataplane::offer_lane>("offerLane"),
                                InstanceMethod<&Dataplane::connect_lane>("connectLane"),
                                InstanceMethod<&Dataplane::connect_self>("connectSelf"),
                                InstanceMethod<&Dataplane::close_link>("closeLink"),
                                InstanceMethod<&Dataplane::set_exports>("setExports"),
                                InstanceMethod<&Dataplane::send_services>("sendServices"),
                                InstanceMethod<&Dataplane::set_limits>("setLimits"),
                                InstanceMethod<&Dataplane::report_streams>("reportStreams"),
                                InstanceMethod<&Dataplane::listen>("listen"),
                                InstanceMethod<&Dataplane::unlisten>("unlisten"),
                                InstanceMethod<&Dataplane::streams>("streams"),
                                InstanceMethod<&Dataplane::links>("links"),
                                InstanceMethod<&Dataplane::terminate>("terminate"),
                                InstanceMethod<&Dataplane::ping>("ping"),
                                InstanceMethod<&Dataplane::take_events>("takeEvents"),
                                InstanceMethod<&Dataplane::abandon_hypervisor>("abandonHypervisor"),
                                InstanceMethod<&Dataplane::settle_hypervisor>("settleHypervisor"),
                                InstanceMethod<&Dataplane::close>("close"),
                            }));
}

Dataplane::Dataplane(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Dataplane>(info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    const pump::PumpOptions pump_options = options_from_js(options);
    // One slot: a wake-up that finds it taken is redundant, since the pending one fetches all
    // events.
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "xsock events",
                                          1, 1);
    Napi::ThreadSafeFunction wake = wake_;
    try {
        pumps_ = translated(info.Env(), [&] {
            return std::make_shared<pump::Pumps>(hypervisors_from_js(options), pump_options,
                                                 [wake] { wake.NonBlockingCall(); });
        });
    } catch (...) {
        wake_.Release();
        throw;
    }
}

Dataplane::~Dataplane() {
    if (pumps_) {
        pumps_->stop();
        wake_.Release();
    }
}

void Dataplane::settle_hypervisor(const Napi::CallbackInfo& info) {
    // May come after close(): xenstore was asked before it.
    if (pumps_) {
        translated(info.Env(), [&] { pumps_->settle_hypervisor(); });
    }
}

void Dataplane::abandon_hypervisor(const Napi::CallbackInfo& info) {
    if (pumps_) {  // as above
        translated(info.Env(), [&] { pumps_->abandon_hypervisor(); });
    }
}

// Ends the threads on a worker: JavaScript does not wait for a pump that hangs. Idempotent.
Napi::Value Dataplane::close(const Napi::CallbackInfo& info) {
    return AsyncCall<bool>::start(
        info.Env(),
        [pumps = std::exchange(pumps_, nullptr)] {
            if (pumps) {
                pumps->stop();
            }
            return pumps != nullptr;
        },
        [wake = wake_](Napi::Env env, const bool& was_open) mutable {
            if (was_open) {
                wake.Release();
            }
            return env.Undefined();
        });
}

Napi::Value Dataplane::offer(const Napi::CallbackInfo& info) {
    return AsyncCall<pump::Pump::Offer>::start(
        info.Env(),
        [pumps = pumps_, peer = domid(info, 0), order = domid(info, 1)] {
            return opened(pumps).offer(peer, order);
        },
        [](Napi::Env env, const pump::Pump::Offer& made) {
            Napi::Object result = Napi::Object::New(env);
            result.Set("link", Napi::Number::New(env, made.link));
            result.Set("ringRef", Napi::Number::New(env, made.ring_ref));
            result.Set("eventChannel", Napi::Number::New(env, made.port));
            return result;
        });
}

Napi::Value Dataplane::connect(const Napi::CallbackInfo& info) {
    return AsyncCall<link::LinkId>::start(
        info.Env(),
        [pumps = pumps_, peer = domid(info, 0), ring_ref = u32(info, 1), port = u32(info, 2)] {
            return opened(pumps).connect(peer, ring_ref, port);
        },
        [](Napi::Env env, const link::LinkId& link) { return Napi::Number::New(env, link); });
}

Napi::Value Dataplane::offer_lane(const Napi::CallbackInfo& info) {
    return AsyncCall<bool>::start(
        info.Env(),
        [pumps = pumps_, link = u32(info, 0), lane = u32(info, 1), order = domid(info, 2)] {
            opened(pumps).offer_lane(link, lane, order);
            return true;
        },
        [](Napi::Env env, const bool&) { return env.Undefined(); });
}

Napi::Value Dataplane::connect_lane(const Napi::CallbackInfo& info) {
    return AsyncCall<bool>::start(
        info.Env(),
        [pumps = pumps_, link = u32(info, 0), lane = u32(info, 1), ring_ref = u32(info, 2),
         port = u32(info, 3)] {
            opened(pumps).connect_lane(link, lane, ring_ref, port);
            return true;
        },
        [](Napi::Env env, const bool&) { return env.Undefined(); });
}

Napi::Value Dataplane::connect_self(const Napi::CallbackInfo& info) {
    return translated(info.Env(), [&] {
        return Napi::Number::New(info.Env(), opened(pumps_).connect_self(domid(info, 0)));
    });
}

void Dataplane::close_link(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] {
        const std::int64_t drain = info[1].ToNumber().Int64Value();
        opened(pumps_).close_link(
            u32(info, 0), sys::milliseconds(std::clamp(drain, std::int64_t{0}, kLongestDrain)));
    });
}

void Dataplane::set_exports(const Napi::CallbackInfo& info) {
    auto table =
        std::make_shared<const link::ExportTable>(exports_from_js(info[1].As<Napi::Array>()));
    translated(info.Env(), [&] { opened(pumps_).set_exports(u32(info, 0), std::move(table)); });
}

void Dataplane::send_services(const Napi::CallbackInfo& info) {
    translated(info.Env(),
               [&] { opened(pumps_).send_services(u32(info, 0), bytes_from_js(info[1])); });
}

void Dataplane::set_limits(const Napi::CallbackInfo& info) {
    const Napi::Object limits = info[0].As<Napi::Object>();
    const auto total = static_cast<std::size_t>(limits.Get("memoryTotal").ToNumber().Int64Value());
    translated(info.Env(), [&] { opened(pumps_).set_limits(limits_from_js(limits), total); });
}

void Dataplane::report_streams(const Napi::CallbackInfo& info) {
    const bool wanted = info[0].ToBoolean();
    translated(info.Env(), [&] { opened(pumps_).report_streams(wanted); });
}

Napi::Value Dataplane::listen(const Napi::CallbackInfo& info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    const Napi::Object address = options.Get("service").As<Napi::Object>();
    pump::ServiceAddress service;
    if (address.Get("kind").ToString().Utf8Value() == "name") {
        service.name = address.Get("name").ToString().Utf8Value();
    } else {
        service.port = static_cast<std::uint16_t>(address.Get("port").ToNumber().Uint32Value());
    }
    const bool tcp = options.Get("kind").ToString().Utf8Value() == "tcp";
    const auto number = [&options](const char* key) {
        return static_cast<std::uint32_t>(options.Get(key).ToNumber().Int64Value());
    };
    return translated(info.Env(), [&]() -> Napi::Value {
        struct stat file {};
        sys::UniqueFd socket;
        const std::string path = tcp ? "" : options.Get("path").ToString().Utf8Value();
        if (tcp) {
            socket = sys::listen_tcp(options.Get("host").ToString().Utf8Value(),
                                     static_cast<std::uint16_t>(number("port")));
        } else {
            socket = sys::listen_unix(path, number("mode"), number("uid"), number("gid"));
            sys::check(::lstat(path.c_str(), &file), "lstat");
        }
        link::ListenerId listener = 0;
        try {
            listener = opened(pumps_).listen(number("link"), service,
                                             tcp ? sys::SocketKind::kTcp : sys::SocketKind::kUnix,
                                             std::move(socket));
        } catch (const std::system_error&) {
            if (!tcp) {
                ::unlink(
                    path.c_str());  // the link has ended meanwhile: nobody else would remove it
            }
            throw;
        }
        Napi::Object result = Napi::Object::New(info.Env());
        result.Set("id", Napi::Number::New(info.Env(), listener));
        result.Set("device",
                   Napi::BigInt::New(info.Env(), static_cast<std::uint64_t>(file.st_dev)));
        result.Set("inode", Napi::BigInt::New(info.Env(), static_cast<std::uint64_t>(file.st_ino)));
        return result;
    });
}

void Dataplane::unlisten(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(pumps_).unlisten(u32(info, 0)); });
}

Napi::Value Dataplane::streams(const Napi::CallbackInfo& info) {
    return translated(info.Env(), [&] { return to_js(info.Env(), opened(pumps_).streams()); });
}

Napi::Value Dataplane::links(const Napi::CallbackInfo& info) {
    return translated(info.Env(), [&] { return to_js(info.Env(), opened(pumps_).links()); });
}

Napi::Value Dataplane::terminate(const Napi::CallbackInfo& info) {
    return translated(info.Env(), [&] {
        return Napi::Boolean::New(info.Env(), opened(pumps_).terminate(u32(info, 0), u32(info, 1)));
    });
}

void Dataplane::ping(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(pumps_).ping(u32(info, 0)); });
}

Napi::Value Dataplane::take_events(const Napi::CallbackInfo& info) {
    const std::vector<link::Event> events =
        pumps_ ? pumps_->take_events() : std::vector<link::Event>();
    Napi::Array result = Napi::Array::New(info.Env(), events.size());
    for (std::uint32_t i = 0; i < events.size(); ++i) {
        result.Set(i, to_js(info.Env(), events[i]));
    }
    return result;
}

}  // namespace xsock::binding

#include "binding/loopback_machine.h"

#include <cerrno>
#include <string>

#include "binding/error.h"
#include "sys/error.h"

namespace xsock::binding {

namespace {

using hypervisor::DomId;
using hypervisor::loopback::Machine;
using hypervisor::loopback::MachineLimits;

void take(const Napi::Object& limits, const char* key, std::size_t& value) {
    if (const Napi::Value given = limits.Get(key); given.IsNumber()) {
        value = given.As<Napi::Number>().Uint32Value();
    }
}

MachineLimits limits_from_js(const Napi::Value& value) {
    MachineLimits limits;
    if (value.IsObject()) {
        const auto object = value.As<Napi::Object>();
        take(object, "grants", limits.grants.pages);
        take(object, "mapsPerGrant", limits.grants.maps_per_grant);
        take(object, "eventChannels", limits.ports_per_domain);
    }
    return limits;
}

DomId domid_from_js(const Napi::Value& value) {
    return static_cast<DomId>(value.ToNumber().Uint32Value());
}

Machine& opened(const std::unique_ptr<Machine>& machine) {
    if (machine == nullptr) {
        sys::throw_errno("the loopback machine is closed", EBADF);
    }
    return *machine;
}

}  // namespace

void LoopbackMachine::init(Napi::Env env, Napi::Object exports) {
    exports.Set("LoopbackMachine",
                DefineClass(env, "LoopbackMachine",
                            {
                                InstanceMethod("introduce", &LoopbackMachine::introduce),
                                InstanceMethod("destroy", &LoopbackMachine::destroy),
                                InstanceMethod("counts", &LoopbackMachine::counts),
                                InstanceMethod("close", &LoopbackMachine::close),
                            }));
}

LoopbackMachine::LoopbackMachine(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<LoopbackMachine>(info) {
    translated(info.Env(), [&] { machine_ = std::make_unique<Machine>(limits_from_js(info[0])); });
}

void LoopbackMachine::introduce(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] {
        opened(machine_).introduce(domid_from_js(info[0]), info[1].ToString().Utf8Value());
    });
}

void LoopbackMachine::destroy(const Napi::CallbackInfo& info) {
    translated(info.Env(), [&] { opened(machine_).destroy(domid_from_js(info[0])); });
}

Napi::Value LoopbackMachine::counts(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto counts = translated(env, [&] { return opened(machine_).counts(); });
    Napi::Array result = Napi::Array::New(env, counts.size());
    for (std::uint32_t i = 0; i < counts.size(); ++i) {
        Napi::Object row = Napi::Object::New(env);
        row.Set("domid", Napi::Number::New(env, counts[i].domain));
        row.Set("grants", Napi::Number::New(env, static_cast<double>(counts[i].grants)));
        row.Set("mappings", Napi::Number::New(env, static_cast<double>(counts[i].mappings)));
        row.Set("eventChannels",
                Napi::Number::New(env, static_cast<double>(counts[i].event_channels)));
        row.Set("connections", Napi::Number::New(env, static_cast<double>(counts[i].connections)));
        result.Set(i, row);
    }
    return result;
}

void LoopbackMachine::close(const Napi::CallbackInfo&) {
    machine_.reset();
}

}  // namespace xsock::binding

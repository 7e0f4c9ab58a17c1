// The addon's entry point: every class and function that JavaScript sees (their types are in
// daemon/dataplane/native.ts).
#include <napi.h>

#include "binding/character_device.h"
#include "binding/dataplane.h"
#include "binding/file_lock.h"
#include "binding/loopback_machine.h"
#include "binding/peer_credentials.h"
#include "binding/sd_notify.h"
#include "binding/vchan.h"

namespace {

// What crosses into JavaScript, in TypeScript: a test compares it with what the control plane is
// compiled with (test/unit/dataplane/boundary.test.ts).
Napi::Value describe(const Napi::CallbackInfo& info) {
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("NativeDataplane", xsock::binding::describe_dataplane());
    result.Set("DataplaneOptions", xsock::binding::describe_dataplane_options());
    result.Set("NativeVchan", xsock::binding::describe_vchan());
    return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    xsock::binding::CharacterDevice::init(env, exports);
    xsock::binding::init_dataplane(env, exports);
    xsock::binding::LoopbackMachine::init(env, exports);
    xsock::binding::init_vchan(env, exports);
    xsock::binding::init_file_lock(env, exports);
    xsock::binding::init_peer_credentials(env, exports);
    xsock::binding::init_sd_notify(env, exports);
    exports.Set("describe", Napi::Function::New(env, describe, "describe"));
    return exports;
}

}  // namespace

NODE_API_MODULE(xsock, init)

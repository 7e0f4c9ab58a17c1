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

Napi::Object init(Napi::Env env, Napi::Object exports) {
    xsock::binding::CharacterDevice::init(env, exports);
    xsock::binding::Dataplane::init(env, exports);
    xsock::binding::LoopbackMachine::init(env, exports);
    xsock::binding::Vchan::init(env, exports);
    xsock::binding::init_file_lock(env, exports);
    xsock::binding::init_peer_credentials(env, exports);
    xsock::binding::init_sd_notify(env, exports);
    return exports;
}

}  // namespace

NODE_API_MODULE(xsock, init)

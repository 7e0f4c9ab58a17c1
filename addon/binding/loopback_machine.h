// The JavaScript class `LoopbackMachine`: the interface to hypervisor::loopback::Machine.
// JavaScript thread only; no call blocks for long.
#pragma once

#include <napi.h>

#include <memory>

#include "hypervisor/loopback/machine.h"

namespace xsock::binding {

class LoopbackMachine final : public Napi::ObjectWrap<LoopbackMachine> {
  public:
    static void init(Napi::Env env, Napi::Object exports);
    // new LoopbackMachine(limits?): {grants, mapsPerGrant, eventChannels}, each optional
    explicit LoopbackMachine(const Napi::CallbackInfo& info);

  private:
    void introduce(const Napi::CallbackInfo& info);  // (domid, socketPath)
    void destroy(const Napi::CallbackInfo& info);    // (domid)
    Napi::Value counts(const Napi::CallbackInfo& info);
    void close(const Napi::CallbackInfo& info);

    std::unique_ptr<hypervisor::loopback::Machine> machine_;
};

}  // namespace xsock::binding

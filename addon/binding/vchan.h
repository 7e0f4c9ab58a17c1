// The JavaScript class `Vchan`: the interface to the raw vchan streams. JavaScript thread only;
// what may block runs on a libuv worker. Events are announced by the `wake` callback and fetched by
// takeEvents(). After close() calls fail with ECANCELED, as Dataplane's.
#pragma once

#include <napi.h>

#include <memory>

#include "vchan/relays.h"

namespace xsock::binding {

class Vchan final : public Napi::ObjectWrap<Vchan> {
  public:
    static void init(Napi::Env env, Napi::Object exports);
    // new Vchan(hypervisor, wake)
    explicit Vchan(const Napi::CallbackInfo& info);
    ~Vchan() override;

  private:
    // (peer, order, target) => Promise<{relay, ringRef, eventChannel}>
    Napi::Value serve(const Napi::CallbackInfo& info);
    // (listener, peer, ringRef, eventChannel) => Promise<relay>
    Napi::Value connect(const Napi::CallbackInfo& info);
    Napi::Value listen(const Napi::CallbackInfo& info);  // (path, mode, uid, gid) => listener
    void unlisten(const Napi::CallbackInfo& info);       // (listener)
    void refuse(const Napi::CallbackInfo& info);         // (listener)
    void terminate(const Napi::CallbackInfo& info);      // (relay)
    void ping(const Napi::CallbackInfo& info);           // (number): event `alive`
    Napi::Value take_events(const Napi::CallbackInfo& info);
    void abandon_hypervisor(const Napi::CallbackInfo& info);
    void settle_hypervisor(const Napi::CallbackInfo& info);
    Napi::Value close(const Napi::CallbackInfo& info);  // () => Promise

    std::shared_ptr<vchan::Relays> relays_;
    Napi::ThreadSafeFunction wake_;
};

}  // namespace xsock::binding

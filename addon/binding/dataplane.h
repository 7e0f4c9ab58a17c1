// The JavaScript class `Dataplane`: the interface to the pumps. JavaScript thread only; what may
// block runs on a libuv worker. Events are announced by the `wake` callback (for which no pump
// waits) and fetched by takeEvents(). After close() every call fails with ECANCELED, except
// takeEvents(), settleHypervisor(), abandonHypervisor() and close(), which have nothing left to do.
#pragma once

#include <napi.h>

#include <memory>

#include "pump/pumps.h"

namespace xsock::binding {

class Dataplane final : public Napi::ObjectWrap<Dataplane> {
  public:
    static void init(Napi::Env env, Napi::Object exports);
    // new Dataplane(options, wake)
    explicit Dataplane(const Napi::CallbackInfo& info);
    ~Dataplane() override;

  private:
    Napi::Value offer(
        const Napi::CallbackInfo& info);  // (peer, order) => Promise<{link, ringRef, eventChannel}>
    Napi::Value connect(
        const Napi::CallbackInfo& info);  // (peer, ringRef, eventChannel) => Promise<link>
    Napi::Value offer_lane(const Napi::CallbackInfo& info);  // (link, lane, order) => Promise
    Napi::Value connect_lane(
        const Napi::CallbackInfo& info);  // (link, lane, ringRef, eventChannel) => Promise
    Napi::Value connect_self(const Napi::CallbackInfo& info);  // (order) => link
    void close_link(const Napi::CallbackInfo& info);           // (link, drainMs)
    void set_exports(const Napi::CallbackInfo& info);          // (link, entries)
    void send_services(const Napi::CallbackInfo& info);        // (link, bytes)
    void set_limits(const Napi::CallbackInfo& info);           // (limits)
    void report_streams(const Napi::CallbackInfo& info);       // (wanted)
    Napi::Value listen(const Napi::CallbackInfo& info);        // (options) => {id, device, inode}
    void unlisten(const Napi::CallbackInfo& info);             // (listener)
    Napi::Value streams(const Napi::CallbackInfo& info);
    Napi::Value links(const Napi::CallbackInfo& info);
    Napi::Value terminate(const Napi::CallbackInfo& info);  // (link, stream) => boolean
    void ping(const Napi::CallbackInfo& info);              // (number): event `alive`
    Napi::Value take_events(const Napi::CallbackInfo& info);
    void abandon_hypervisor(const Napi::CallbackInfo& info);
    void settle_hypervisor(const Napi::CallbackInfo& info);
    Napi::Value close(const Napi::CallbackInfo& info);  // () => Promise

    std::shared_ptr<pump::Pumps> pumps_;
    Napi::ThreadSafeFunction wake_;
};

}  // namespace xsock::binding

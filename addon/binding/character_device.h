// The JavaScript class `CharacterDevice`: reads and writes a pollable character device such as
// /dev/xen/xenbus. Node's own streams refuse those, and its file reads would occupy a pool thread
// for ever. A thread of its own polls and reads, and passes the bytes to a JavaScript callback.
#pragma once

#include <napi.h>

#include <string>
#include <thread>

#include "sys/unique_fd.h"

namespace xsock::binding {

class CharacterDevice final : public Napi::ObjectWrap<CharacterDevice> {
  public:
    static void init(Napi::Env env, Napi::Object exports);
    // new CharacterDevice(path, onData): onData(Buffer) for bytes, onData(undefined) at the end
    explicit CharacterDevice(const Napi::CallbackInfo& info);
    ~CharacterDevice() override;

  private:
    // (Buffer): whole, or throws with the errno.
    void write(const Napi::CallbackInfo& info);
    void close(const Napi::CallbackInfo& info);
    void stop();
    // The reading thread.
    void run();

    sys::UniqueFd device_;
    sys::UniqueFd wake_;
    Napi::ThreadSafeFunction on_data_;
    std::thread thread_;
};

}  // namespace xsock::binding

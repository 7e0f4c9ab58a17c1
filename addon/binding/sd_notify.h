// sd_notify(3) without libsystemd: one datagram to the socket named by $NOTIFY_SOCKET. Node itself
// has no UNIX datagram sockets.
#pragma once

#include <napi.h>

namespace xsock::binding {

// exports.sdNotify(socketPath, message): a leading `@` stands for an abstract name. Throws with
// errno.
void init_sd_notify(Napi::Env env, Napi::Object exports);

}  // namespace xsock::binding

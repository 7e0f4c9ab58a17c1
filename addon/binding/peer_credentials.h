// Who is at the other end of a UNIX socket, as the kernel recorded it at connect(2) (unix(7):
// SO_PEERCRED, SO_PEERGROUPS). Node has no call for that.
#pragma once

#include <napi.h>

namespace xsock::binding {

// exports.peerCredentials(fd) => {pid, uid, gid, groups}. Throws with errno.
void init_peer_credentials(Napi::Env env, Napi::Object exports);

}  // namespace xsock::binding

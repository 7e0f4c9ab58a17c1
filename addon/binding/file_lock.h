// tryLock(path, text): an exclusive flock(2) on a file, held until release() or the end of the
// process, however it ends. Node has no call for that. tryLockExisting(path): the same on an
// existing file, which is neither written nor removed.
#pragma once

#include <napi.h>

namespace xsock::binding {

void init_file_lock(Napi::Env env, Napi::Object exports);

}  // namespace xsock::binding

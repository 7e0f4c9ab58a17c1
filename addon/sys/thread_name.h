// The name of a thread, as top -H, gdb and /proc/PID/task/TID/comm show it (docs/architecture.md
// has the list).
#pragma once

#include <pthread.h>

#include <string>

namespace xsock::sys {

// Names the calling thread; the kernel keeps 15 characters.
inline void name_thread(const std::string& name) noexcept {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace xsock::sys

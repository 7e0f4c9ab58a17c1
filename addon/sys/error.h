// Turns errno into std::system_error; the message names the system call.
#pragma once

#include <cerrno>
#include <system_error>

namespace xsock::sys {

[[noreturn]] inline void throw_errno(const char* syscall, int error = errno) {
    throw std::system_error(error, std::generic_category(), syscall);
}

// Returns `result` unless it is -1.
inline int check(int result, const char* syscall) {
    if (result == -1) {
        throw_errno(syscall);
    }
    return result;
}

}  // namespace xsock::sys

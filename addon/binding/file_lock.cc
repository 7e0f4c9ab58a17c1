#include "binding/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include "binding/error.h"
#include "sys/error.h"
#include "sys/unique_fd.h"

namespace xsock::binding {

namespace {

// True if `path` still names the file behind `fd`: an earlier holder may have removed it meanwhile.
bool still_named(int fd, const std::string& path) {
    struct stat opened {};
    struct stat named {};
    return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// False if another process holds the lock.
bool lock(int fd) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    if (errno != EWOULDBLOCK) {
        sys::throw_errno("flock");
    }
    return false;
}

// The locked file with `text` in it; an invalid one if another process holds the lock. Opening a
// file for reading suffices to lock it: so only its owner may open it.
sys::UniqueFd try_lock(const std::string& path, const std::string& text) {
    for (;;) {
        sys::UniqueFd fd(sys::check(
            ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), "open"));
        if (!lock(fd.get())) {
            return {};
        }
        if (!still_named(fd.get(), path)) {
            continue;
        }
        sys::check(::fchmod(fd.get(), 0600), "fchmod");
        sys::check(::ftruncate(fd.get(), 0), "ftruncate");
        if (::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
            sys::throw_errno("pwrite");
        }
        return fd;
    }
}

// An existing file (e.g. a device), locked; an invalid descriptor if another process holds the
// lock.
sys::UniqueFd try_lock_existing(const std::string& path) {
    sys::UniqueFd fd(
        sys::check(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), "open"));
    return lock(fd.get()) ? std::move(fd) : sys::UniqueFd();
}

}  // namespace

// tryLock: (path, text) => release() | undefined when another process holds it
// tryLockExisting: (path) => the same
void init_file_lock(Napi::Env env, Napi::Object exports) {
    exports.Set("tryLockExisting",
                Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                    const std::string path = info[0].ToString().Utf8Value();
                    sys::UniqueFd locked =
                        translated(info.Env(), [&] { return try_lock_existing(path); });
                    if (!locked.valid()) {
                        return info.Env().Undefined();
                    }
                    auto held = std::make_shared<sys::UniqueFd>(std::move(locked));
                    return Napi::Function::New(
                        info.Env(), [held](const Napi::CallbackInfo&) { held->reset(); });
                }));
    exports.Set("tryLock",
                Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                    const std::string path = info[0].ToString().Utf8Value();
                    sys::UniqueFd locked = translated(
                        info.Env(), [&] { return try_lock(path, info[1].ToString().Utf8Value()); });
                    if (!locked.valid()) {
                        return info.Env().Undefined();
                    }
                    auto held = std::make_shared<sys::UniqueFd>(std::move(locked));
                    return Napi::Function::New(info.Env(), [held, path](const Napi::CallbackInfo&) {
                        if (held->valid()) {
                            // Unlinked while still locked, and only if the path still names this
                            // file.
                            if (still_named(held->get(), path)) {
                                ::unlink(path.c_str());
                            }
                            held->reset();
                        }
                    });
                }));
}

}  // namespace xsock::binding

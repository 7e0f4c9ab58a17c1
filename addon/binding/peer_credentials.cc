#include "binding/peer_credentials.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <vector>

#include "binding/error.h"
#include "sys/error.h"

namespace xsock::binding {

namespace {

ucred credentials_of(int fd) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    sys::check(::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length), "SO_PEERCRED");
    return credentials;
}

// Supplementary groups; none on kernels before 4.13, which do not report them.
std::vector<gid_t> groups_of(int fd) {
    std::vector<gid_t> groups(64);
    for (;;) {
        auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0) {
            groups.resize(length / sizeof(gid_t));
            return groups;
        }
        if (errno == ENOPROTOOPT) {
            return {};
        }
        const std::size_t needed = length / sizeof(gid_t);
        if (errno != ERANGE || needed <= groups.size()) {
            sys::throw_errno("SO_PEERGROUPS");
        }
        groups.resize(needed);
    }
}

Napi::Value to_object(Napi::Env env, int fd) {
    const ucred credentials = credentials_of(fd);
    const std::vector<gid_t> groups = groups_of(fd);
    Napi::Array list = Napi::Array::New(env, groups.size());
    for (std::size_t index = 0; index < groups.size(); ++index) {
        list.Set(static_cast<uint32_t>(index), Napi::Number::New(env, groups[index]));
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("pid", Napi::Number::New(env, credentials.pid));
    result.Set("uid", Napi::Number::New(env, credentials.uid));
    result.Set("gid", Napi::Number::New(env, credentials.gid));
    result.Set("groups", list);
    return result;
}

}  // namespace

void init_peer_credentials(Napi::Env env, Napi::Object exports) {
    exports.Set("peerCredentials",
                Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                    return translated(info.Env(), [&] {
                        return to_object(info.Env(), info[0].ToNumber().Int32Value());
                    });
                }));
}

}  // namespace xsock::binding

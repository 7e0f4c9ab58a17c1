#include "binding/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "binding/error.h"
#include "sys/error.h"
#include "sys/unique_fd.h"

namespace xsock::binding {

namespace {

void send_notification(const std::string& path, const std::string& message) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        sys::throw_errno("sd_notify", EINVAL);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') {
        address.sun_path[0] = '\0';
    }
    const sys::UniqueFd fd(sys::check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    if (::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length) < 0) {
        sys::throw_errno("sendto");
    }
}

}  // namespace

void init_sd_notify(Napi::Env env, Napi::Object exports) {
    exports.Set("sdNotify", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                    translated(info.Env(), [&] {
                        send_notification(info[0].ToString().Utf8Value(),
                                          info[1].ToString().Utf8Value());
                    });
                }));
}

}  // namespace xsock::binding

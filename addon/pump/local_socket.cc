#include "pump/local_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "sys/error.h"
#include "sys/socket.h"

namespace xsock::pump {

namespace {

ServiceAddress address_of(const std::variant<ByName, ByPort>& service) {
    const auto* by_name = std::get_if<ByName>(&service);
    return by_name != nullptr ? ServiceAddress{by_name->name, 0}
                              : ServiceAddress{"", std::get<ByPort>(service).port};
}

ListenerHandle listen_at(Pumps& pumps, const UnixSocket& at) {
    sys::UniqueFd socket = sys::listen_unix(at.path, at.mode, at.uid, at.gid);
    try {
        struct stat file {};
        sys::check(::lstat(at.path.c_str(), &file), "lstat");
        return {pumps.listen(at.link, address_of(at.service), sys::SocketKind::kUnix,
                             std::move(socket)),
                static_cast<std::uint64_t>(file.st_dev), static_cast<std::uint64_t>(file.st_ino)};
    } catch (const std::system_error&) {
        // Most likely the link has ended meanwhile: nobody else would remove the file.
        ::unlink(at.path.c_str());
        throw;
    }
}

ListenerHandle listen_at(Pumps& pumps, const TcpSocket& at) {
    return {pumps.listen(at.link, address_of(at.service), sys::SocketKind::kTcp,
                         sys::listen_tcp(at.host, at.port)),
            0, 0};
}

}  // namespace

ListenerHandle listen(Pumps& pumps, const LocalSocket& socket) {
    return std::visit([&pumps](const auto& at) { return listen_at(pumps, at); }, socket);
}

}  // namespace xsock::pump

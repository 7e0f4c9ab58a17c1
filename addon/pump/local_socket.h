// Local sockets that lead to a peer's service: what is opened where, and the listener on it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "pump/pumps.h"
#include "schema/schema.h"

namespace xsock::pump {

struct ByName {
    std::string name;
};
constexpr auto describe(schema::Of<ByName>) {
    return schema::kind("name", schema::field("name", &ByName::name));
}
struct ByPort {
    std::uint16_t port;
};
constexpr auto describe(schema::Of<ByPort>) {
    return schema::kind("port", schema::field("port", &ByPort::port));
}

struct UnixSocket {
    link::LinkId link;
    std::variant<ByName, ByPort> service;
    std::string path;
    std::uint32_t mode;
    std::uint32_t uid;  // as in sys::listen_unix()
    std::uint32_t gid;
};
constexpr auto describe(schema::Of<UnixSocket>) {
    return schema::kind(
        "unix", schema::field("link", &UnixSocket::link),
        schema::field("service", &UnixSocket::service), schema::field("path", &UnixSocket::path),
        schema::field("mode", &UnixSocket::mode), schema::field("uid", &UnixSocket::uid),
        schema::field("gid", &UnixSocket::gid));
}
struct TcpSocket {
    link::LinkId link;
    std::variant<ByName, ByPort> service;
    std::string host;
    std::uint16_t port;
};
constexpr auto describe(schema::Of<TcpSocket>) {
    return schema::kind("tcp", schema::field("link", &TcpSocket::link),
                        schema::field("service", &TcpSocket::service),
                        schema::field("host", &TcpSocket::host),
                        schema::field("port", &TcpSocket::port));
}
using LocalSocket = std::variant<UnixSocket, TcpSocket>;

// `device` and `inode` identify the socket file that was created, 0 for TCP.
struct ListenerHandle {
    link::ListenerId id;
    std::uint64_t device;
    std::uint64_t inode;
};
constexpr auto describe(schema::Of<ListenerHandle>) {
    return schema::object(
        schema::field("id", &ListenerHandle::id),
        schema::field("device", &ListenerHandle::device).as(schema::Form::kBigInt),
        schema::field("inode", &ListenerHandle::inode).as(schema::Form::kBigInt));
}

// Throws std::system_error; then no file is left.
ListenerHandle listen(Pumps& pumps, const LocalSocket& socket);

}  // namespace xsock::pump

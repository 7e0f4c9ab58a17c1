// A local listening socket for one service of one link. Pump thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "link/events.h"
#include "link/label.h"
#include "sys/clock.h"
#include "sys/pollable.h"
#include "sys/socket.h"
#include "sys/unique_fd.h"

namespace xsock::pump {

struct ServiceAddress {
    std::string name;        // empty: by port
    std::uint16_t port = 0;  // 0: by name
};

class Listener final : public sys::Pollable {
  public:
    // Called for each accepted connection, and with an errno when accepting fails (EMFILE, ...).
    using OnAccept = std::function<void(Listener&, sys::UniqueFd)>;
    using OnError = std::function<void(Listener&, int error)>;

    Listener(link::ListenerId listener_id, link::LinkId leads_to, ServiceAddress service_address,
             sys::SocketKind socket_kind, sys::UniqueFd socket, OnAccept on_accept,
             OnError on_error)
        : id(listener_id),
          link(leads_to),
          service(std::move(service_address)),
          label(link::label_of(service.name, service.port)),
          kind(socket_kind),
          fd(std::move(socket)),
          on_accept_(std::move(on_accept)),
          on_error_(std::move(on_error)) {}

    void on_ready(std::uint32_t events) override;

    const link::ListenerId id;
    const link::LinkId link;
    const ServiceAddress service;
    const link::Label label;
    const sys::SocketKind kind;
    sys::UniqueFd fd;
    // After an error the socket is not in the epoll set until then.
    sys::TimePoint resume_at = sys::kNever;

  private:
    OnAccept on_accept_;
    OnError on_error_;
};

}  // namespace xsock::pump

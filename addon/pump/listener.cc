#include "pump/listener.h"

#include <cerrno>

#include "sys/socket.h"

namespace xsock::pump {

namespace {

// Connections accepted per turn; the socket is level-triggered, so the others follow in the next.
constexpr int kAcceptsPerTurn = 64;

}  // namespace

void Listener::on_ready(std::uint32_t) {
    for (int i = 0; i < kAcceptsPerTurn && fd.valid(); ++i) {
        int error = 0;
        sys::UniqueFd connection = sys::accept(fd.get(), error);
        if (connection.valid()) {
            on_accept_(*this, std::move(connection));
            continue;
        }
        if (error != EAGAIN) {
            on_error_(*this, error);
        }
        return;
    }
}

}  // namespace xsock::pump

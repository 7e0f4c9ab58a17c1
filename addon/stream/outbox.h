// What one end of a stream has to send next. The order is part of the protocol: what starts or
// answers a stream goes before its credit, and its end goes last; DATA goes between frames, once
// nothing else waits. Knows no socket, thread or ring.
#pragma once

#include <cstdint>

#include "abi/frame.h"
#include "stream/credit.h"
#include "stream/state.h"

namespace xsock::stream {

class Outbox {
  public:
    // OPEN by a service port, or, if that is 0, by a name that the caller knows.
    void open(std::uint16_t service_port) noexcept {
        notice_ = Notice::kOpen;
        service_port_ = service_port;
    }
    void accept() noexcept { notice_ = Notice::kAccept; }
    void refuse(abi::RefuseReason reason) noexcept {
        notice_ = Notice::kRefuse;
        argument_ = static_cast<std::uint32_t>(reason);
    }
    // Instead of a notice that has not been sent yet.
    void reset(abi::ResetReason reason) noexcept {
        notice_ = Notice::kReset;
        argument_ = static_cast<std::uint32_t>(reason);
    }
    void notice_sent() noexcept { notice_ = Notice::kNone; }

    [[nodiscard]] Notice notice() const noexcept { return notice_; }
    [[nodiscard]] std::uint16_t service_port() const noexcept { return service_port_; }
    // The argument of REFUSE or RESET.
    [[nodiscard]] std::uint32_t reason() const noexcept { return argument_; }

    // Whether a frame other than DATA is due.
    [[nodiscard]] bool frames_due(const State& state, const Credit& credit) const noexcept {
        return notice_ != Notice::kNone || shutdown_due(state) || credit.due();
    }
    // Whether bytes of the local program may be sent, if it has any.
    [[nodiscard]] bool data_allowed(const State& state, const Credit& credit) const noexcept {
        return is_open(state) && notice_ == Notice::kNone && state.sending == Sending::kOpen &&
               credit.sendable() > 0;
    }
    // Whether the stream is over in order: the peer knows all that it has to know.
    [[nodiscard]] bool finished(const State& state) const noexcept {
        return is_open(state) && notice_ == Notice::kNone && both_ended(state);
    }

  private:
    Notice notice_ = Notice::kNone;
    std::uint16_t service_port_ = 0;
    std::uint32_t argument_ = 0;
};

}  // namespace xsock::stream

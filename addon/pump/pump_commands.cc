// The commands of the control plane, except those that create links (pump_links.cc): called from
// any thread but the pump's, run on the pump's.
#include <cerrno>

#include "pump/pump.h"
#include "sys/error.h"

namespace xsock::pump {

using link::LinkId;
using link::ListenerId;

namespace {

StreamState state_of(const link::Stream& stream) noexcept {
    if (!is_open(stream.state)) {
        return StreamState::kConnecting;
    }
    const bool peer_over = peer_ended(stream.state.receiving);
    if (stream.state.sending != stream::Sending::kOpen) {
        return peer_over ? StreamState::kClosing : StreamState::kHalfClosedLocal;
    }
    return peer_over ? StreamState::kHalfClosedPeer : StreamState::kOpen;
}

std::vector<link::ServiceCounters> services_of(const link::Link& link) {
    link::ServiceTally tally = link.services();
    for (const auto& [id, stream] : link.streams()) {
        if (stream->announced) {
            tally.add(stream->direction, *stream->label, stream->bytes_sent,
                      stream->bytes_received);
        }
    }
    return tally.list();
}

}  // namespace

void Pump::close_link(LinkId id, sys::Duration drain) {
    commands_.call([&] {
        Entry& entry = find(id);
        now_ = sys::Clock::now();
        if (drain > sys::Duration::zero()) {
            entry.link->drain(now_ + drain);
        } else {
            entry.link->down(link::DownReason::kClosed, "");
        }
    });
}

void Pump::set_exports(LinkId id, std::shared_ptr<const link::ExportTable> exports) {
    commands_.call([&] {
        Entry& entry = find(id);
        // Exports of the self link apply at its serving end, which receives OPEN.
        (entry.partner == 0 ? entry : find(entry.partner))
            .link->lanes()
            .set_exports(std::move(exports));
    });
}

void Pump::send_services(LinkId id, std::vector<std::byte> message) {
    commands_.call([&] { find(id).link->send_services(std::move(message)); });
}

void Pump::set_limits(const link::Limits& limits, std::size_t memory_total) {
    commands_.call([&] {
        options_.limits = limits;
        shared_->budget.set_limit(memory_total);
    });
}

void Pump::report_streams(bool wanted) {
    commands_.call([&] { stream_reports_ = wanted; });
}

bool Pump::terminate(LinkId id, link::StreamId stream) {
    return commands_.call([&] { return find(id).link->terminate(stream); });
}

ListenerId Pump::listen(LinkId id, ServiceAddress service, sys::SocketKind kind,
                        sys::UniqueFd socket) {
    return commands_.call([&] {
        find(id);
        const ListenerId listener_id = shared_->next_listener++;
        auto listener = std::make_unique<Listener>(
            listener_id, id, std::move(service), kind, std::move(socket),
            [this](Listener& from, sys::UniqueFd connection) {
                accept(from, std::move(connection));
            },
            [this](Listener& from, int error) { pause(from, error); });
        epoll_.add(listener->fd.get(), EPOLLIN, sys::tag_of(*listener));
        listeners_.emplace(listener_id, std::move(listener));
        return listener_id;
    });
}

void Pump::unlisten(ListenerId id) {
    commands_.call([&] {
        const auto it = listeners_.find(id);
        if (it != listeners_.end()) {
            epoll_.remove(it->second->fd.get());
            it->second->fd.reset();
            closed_listeners_.push_back(std::move(it->second));
            listeners_.erase(it);
        }
    });
}

void Pump::ping(std::function<void()> done) {
    if (!commands_.post(std::move(done))) {
        sys::throw_errno("pump", ECANCELED);
    }
}

void Pump::drain_lane(LinkId id, sys::Duration drain) {
    commands_.call([&] {
        const auto it = links_.find(id);
        if (it != links_.end()) {
            now_ = sys::Clock::now();
            it->second.link->drain(now_ + drain);
        }
    });
}

void Pump::post_down(LinkId id, link::DownReason reason, std::string detail) noexcept {
    commands_.post([this, id, reason, detail = std::move(detail)] {
        const auto it = links_.find(id);
        if (it != links_.end()) {
            now_ = sys::Clock::now();
            it->second.link->down(reason, detail);
        }
    });
}

void Pump::post_poll(LinkId id) noexcept {
    commands_.post([this, id] {
        const auto it = links_.find(id);
        if (it != links_.end()) {
            schedule(*it->second.link);
        }
    });
}

void Pump::post_open(LinkId id, Accepted accepted) noexcept {
    // Commands (std::function) have to be copyable, a descriptor is not.
    commands_.post([this, id, shared = std::make_shared<Accepted>(std::move(accepted))] {
        const auto it = links_.find(id);
        if (it == links_.end()) {
            report_no_link(id, shared->label, shared->socket.get());
        } else {
            now_ = sys::Clock::now();
            it->second.link->open(std::move(shared->socket), shared->kind, shared->label,
                                  shared->service_port);
            it->second.link->lanes().arrived(it->second.link->lane());
        }
    });
}

std::vector<StreamInfo> Pump::streams() {
    return commands_.call([&] {
        const sys::TimePoint now = sys::Clock::now();
        std::vector<StreamInfo> result;
        for (const auto& [id, entry] : links_) {
            for (const auto& [stream_id, stream] : entry.link->streams()) {
                if (entry.quiet || stream->over()) {
                    continue;
                }
                result.push_back({id, stream_id, stream->direction, *stream->label,
                                  state_of(*stream), stream->bytes_sent, stream->bytes_received,
                                  stream->pending.size(), now - stream->opened_at});
            }
        }
        return result;
    });
}

std::vector<LinkInfo> Pump::links() {
    return commands_.call([&] {
        std::vector<LinkInfo> result;
        for (const auto& [id, entry] : links_) {
            if (!entry.quiet) {
                const bool up = entry.link->state() == link::LinkState::kUp ||
                                entry.link->state() == link::LinkState::kDraining;
                result.push_back({id, up ? 1U : 0U, entry.link->streams().size(),
                                  entry.link->lanes().home, entry.link->counters(),
                                  services_of(*entry.link)});
            }
        }
        return result;
    });
}

}  // namespace xsock::pump

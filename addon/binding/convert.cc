#include "binding/convert.h"

#include <cstring>

#include "hypervisor/loopback/connect.h"
#include "hypervisor/xen/connect.h"

namespace xsock::binding {

namespace {

using link::Direction;

const char* name_of(Direction direction) {
    return direction == Direction::kOutgoing ? "outgoing" : "incoming";
}
const char* name_of(link::DownReason reason) {
    static constexpr const char* kNames[] = {"closed",  "peer-gone", "goodbye",  "silent",
                                             "corrupt", "version",   "identity", "hypervisor"};
    return kNames[static_cast<std::size_t>(reason)];
}
const char* name_of(link::EndReason reason) {
    static constexpr const char* kNames[] = {"closed",     "local-reset", "peer-reset",
                                             "fd-passing", "link-down",   "terminated"};
    return kNames[static_cast<std::size_t>(reason)];
}
const char* name_of(link::Refusal reason) {
    static constexpr const char* kNames[] = {"no-such-service",    "denied",
                                             "target-unavailable", "too-many-streams",
                                             "shutting-down",      "link-down"};
    return kNames[static_cast<std::size_t>(reason)];
}

// Text that may contain any bytes (a peer's) becomes one character per byte: nothing is lost or
// rejected, and the control plane escapes it for display.
Napi::String latin1(Napi::Env env, const std::string& text) {
    std::u16string wide;
    wide.reserve(text.size());
    for (const char c : text) {
        wide.push_back(static_cast<unsigned char>(c));
    }
    return Napi::String::New(env, wide);
}

Napi::Number number(Napi::Env env, std::uint64_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
}

class EventBuilder {
  public:
    explicit EventBuilder(Napi::Env env) : env_(env), object_(Napi::Object::New(env)) {}

    Napi::Object operator()(const link::LinkUp& event) {
        static constexpr char kHex[] = "0123456789abcdef";
        std::string instance;
        for (const std::uint8_t byte : event.instance) {
            instance += kHex[byte >> 4];
            instance += kHex[byte & 15];
        }
        kind("link-up", event.link);
        object_.Set("version", Napi::Number::New(env_, event.version));
        object_.Set("features", number(env_, event.features));
        object_.Set("instance", instance);
        object_.Set("lanesToOffer", Napi::Number::New(env_, event.lanes_to_offer));
        return object_;
    }
    Napi::Object operator()(const link::LaneOffered& event) {
        kind("lane-offered", event.link);
        object_.Set("lane", Napi::Number::New(env_, event.lane));
        object_.Set("ringRef", Napi::Number::New(env_, event.ring_ref));
        object_.Set("eventChannel", Napi::Number::New(env_, event.port));
        return object_;
    }
    Napi::Object operator()(const link::LinkDown& event) {
        kind("link-down", event.link);
        object_.Set("reason", name_of(event.reason));
        object_.Set("detail", latin1(env_, event.detail));
        return object_;
    }
    Napi::Object operator()(const link::LinkReleased& event) {
        kind("link-released", event.link);
        return object_;
    }
    Napi::Object operator()(const link::LinkDraining& event) {
        kind("link-draining", event.link);
        return object_;
    }
    Napi::Object operator()(const link::Services& event) {
        kind("services", event.link);
        auto payload = Napi::Buffer<std::uint8_t>::Copy(
            env_, reinterpret_cast<const std::uint8_t*>(event.payload.data()),
            event.payload.size());
        object_.Set("payload", payload);
        return object_;
    }
    Napi::Object operator()(const link::StreamOpened& event) {
        stream("stream-opened", event);
        return object_;
    }
    Napi::Object operator()(const link::StreamRefused& event) {
        stream("stream-refused", event);
        object_.Set("reason", name_of(event.reason));
        object_.Set("detail", latin1(env_, event.detail));
        program(event.program);
        return object_;
    }
    Napi::Object operator()(const link::StreamClosed& event) {
        stream("stream-closed", event);
        object_.Set("reason", name_of(event.reason));
        object_.Set("bytesSent", number(env_, event.bytes_sent));
        object_.Set("bytesReceived", number(env_, event.bytes_received));
        program(event.program);
        return object_;
    }
    Napi::Object operator()(const link::ListenerError& event) {
        object_.Set("kind", "listener-error");
        object_.Set("listener", Napi::Number::New(env_, event.listener));
        object_.Set("detail", event.detail);
        return object_;
    }
    Napi::Object operator()(const link::EventsDropped& event) {
        object_.Set("kind", "events-dropped");
        object_.Set("count", number(env_, event.count));
        return object_;
    }
    Napi::Object operator()(const link::PortsResting&) {
        object_.Set("kind", "ports-resting");
        return object_;
    }
    Napi::Object operator()(const link::Alive& event) {
        object_.Set("kind", "alive");
        object_.Set("ping", Napi::Number::New(env_, event.ping));
        return object_;
    }
    Napi::Object operator()(const link::HypervisorGone& event) {
        object_.Set("kind", "hypervisor-gone");
        object_.Set("detail", event.detail);
        return object_;
    }

  private:
    void kind(const char* name, link::LinkId link) {
        object_.Set("kind", name);
        object_.Set("link", Napi::Number::New(env_, link));
    }
    template <typename StreamEvent>
    void stream(const char* name, const StreamEvent& event) {
        kind(name, event.link);
        object_.Set("stream", Napi::Number::New(env_, event.stream));
        object_.Set("direction", name_of(event.direction));
        object_.Set("service", latin1(env_, event.service));
    }

    // Absent if no program was cut off.
    void program(std::int32_t pid) {
        if (pid > 0) {
            object_.Set("program", Napi::Number::New(env_, pid));
        }
    }

    Napi::Env env_;
    Napi::Object object_;
};

std::uint32_t u32(const Napi::Object& object, const char* key) {
    return object.Get(key).ToNumber().Uint32Value();
}

sys::Duration milliseconds(const Napi::Object& object, const char* key) {
    return sys::milliseconds(object.Get(key).ToNumber().Int64Value());
}

}  // namespace

Napi::Value to_js(Napi::Env env, const link::Event& event) {
    return std::visit(EventBuilder(env), event);
}

Napi::Value to_js(Napi::Env env, const std::vector<pump::StreamInfo>& streams) {
    Napi::Array result = Napi::Array::New(env, streams.size());
    for (std::uint32_t i = 0; i < streams.size(); ++i) {
        const pump::StreamInfo& info = streams[i];
        Napi::Object object = Napi::Object::New(env);
        object.Set("link", Napi::Number::New(env, info.link));
        object.Set("stream", Napi::Number::New(env, info.stream));
        object.Set("direction", name_of(info.direction));
        object.Set("service", latin1(env, info.service));
        object.Set("state", info.state);
        object.Set("bytesSent", number(env, info.bytes_sent));
        object.Set("bytesReceived", number(env, info.bytes_received));
        object.Set("buffered", number(env, info.buffered));
        object.Set("age", Napi::Number::New(env, static_cast<double>(info.age_ms)));
        result.Set(i, object);
    }
    return result;
}

Napi::Value to_js(Napi::Env env, const std::vector<pump::LinkInfo>& links) {
    Napi::Array result = Napi::Array::New(env, links.size());
    for (std::uint32_t i = 0; i < links.size(); ++i) {
        const link::LinkCounters& counters = links[i].counters;
        Napi::Object object = Napi::Object::New(env);
        object.Set("link", Napi::Number::New(env, links[i].link));
        object.Set("streams", number(env, links[i].streams));
        object.Set("lanes", Napi::Number::New(env, links[i].lanes));
        object.Set("streamsOpened", number(env, counters.streams_opened));
        object.Set("streamsRefused", number(env, counters.streams_refused));
        object.Set("bytesSent", number(env, counters.bytes_sent));
        object.Set("bytesReceived", number(env, counters.bytes_received));
        object.Set("framesSent", number(env, counters.frames_sent));
        object.Set("framesReceived", number(env, counters.frames_received));
        object.Set("fdPassingResets", number(env, counters.fd_passing_resets));
        object.Set("doorbellsSent", number(env, counters.doorbells_sent));
        object.Set("doorbellsReceived", number(env, counters.doorbells_received));
        object.Set("roundTrip", number(env, counters.round_trip_us));
        result.Set(i, object);
    }
    return result;
}

hypervisor::Hypervisor connect_hypervisor(const Napi::Object& where) {
    return where.Get("kind").ToString().Utf8Value() == "xen"
               ? hypervisor::xen::connect_xen()
               : hypervisor::loopback::connect_loopback(
                     where.Get("domainDir").ToString().Utf8Value());
}

sys::Address address_from_js(const Napi::Object& target) {
    sys::Address address;
    const bool tcp = target.Get("kind").ToString().Utf8Value() == "tcp";
    address.kind = tcp ? sys::SocketKind::kTcp : sys::SocketKind::kUnix;
    address.host_or_path = target.Get(tcp ? "host" : "path").ToString().Utf8Value();
    if (tcp) {
        address.port = static_cast<std::uint16_t>(u32(target, "port"));
    }
    return address;
}

std::vector<link::ExportEntry> exports_from_js(const Napi::Array& entries) {
    std::vector<link::ExportEntry> result;
    result.reserve(entries.Length());
    for (std::uint32_t i = 0; i < entries.Length(); ++i) {
        const Napi::Object object = entries.Get(i).As<Napi::Object>();
        link::ExportEntry& entry = result.emplace_back();
        if (object.Get("name").IsString()) {
            entry.name = object.Get("name").As<Napi::String>().Utf8Value();
        }
        if (object.Get("port").IsNumber()) {
            entry.port = static_cast<std::uint16_t>(u32(object, "port"));
        }
        entry.allowed = object.Get("allowed").ToBoolean();
        entry.target = address_from_js(object.Get("target").As<Napi::Object>());
    }
    return result;
}

link::Limits limits_from_js(const Napi::Object& limits) {
    return {u32(limits, "streamsPerPeer"), u32(limits, "memoryPerStream")};
}

pump::PumpOptions options_from_js(const Napi::Object& options) {
    pump::PumpOptions result;
    result.domid = u32(options, "domid");
    const std::vector<std::byte> instance = bytes_from_js(options.Get("instance"));
    if (instance.size() != result.instance.size()) {
        throw Napi::TypeError::New(options.Env(), "instance: 16 bytes are needed");
    }
    std::memcpy(result.instance.data(), instance.data(), instance.size());
    const Napi::Object limits = options.Get("limits").As<Napi::Object>();
    result.limits = limits_from_js(limits);
    result.memory_total =
        static_cast<std::size_t>(limits.Get("memoryTotal").ToNumber().Int64Value());
    const Napi::Object timings = options.Get("timings").As<Napi::Object>();
    result.timings = {milliseconds(timings, "heartbeatInterval"),
                      milliseconds(timings, "heartbeatTimeout"),
                      std::chrono::microseconds(u32(timings, "pollTime"))};
    return result;
}

std::vector<std::byte> bytes_from_js(const Napi::Value& value) {
    const auto array = value.As<Napi::Uint8Array>();
    std::vector<std::byte> result(array.ByteLength());
    std::memcpy(result.data(), array.Data(), result.size());
    return result;
}

}  // namespace xsock::binding

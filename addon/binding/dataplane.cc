#include "binding/dataplane.h"

#include <cerrno>
#include <utility>

#include "binding/inputs.h"
#include "binding/plane.h"
#include "hypervisor/self/self.h"
#include "pump/local_socket.h"
#include "pump/pumps.h"
#include "sys/error.h"

namespace xsock::binding {

namespace {

using pump::Pumps;

void set_exports(Pumps& pumps, link::LinkId link, const std::vector<Export>& exports) {
    std::vector<link::ExportEntry> entries;
    entries.reserve(exports.size());
    for (const Export& from : exports) {
        entries.push_back(entry_of(from));
    }
    pumps.set_exports(link, std::make_shared<const link::ExportTable>(std::move(entries)));
}

void set_limits(Pumps& pumps, const Limits& limits) {
    pumps.set_limits({limits.streams_per_peer, limits.memory_per_stream}, limits.memory_total);
}

std::shared_ptr<Pumps> make_pumps(const Options& options, const std::function<void()>& wake) {
    if (options.pumps < 1 || options.pumps > abi::kMaxLanes) {
        sys::throw_errno("pumps", EINVAL);
    }
    pump::PumpOptions result;
    result.domid = options.domid;
    result.instance = options.instance;
    result.limits = {options.limits.streams_per_peer, options.limits.memory_per_stream};
    result.memory_total = options.limits.memory_total;
    result.timings = options.timings;
    std::vector<pump::HypervisorHandles> hypervisors;
    for (std::uint32_t i = 0; i < options.pumps; ++i) {
        hypervisors.push_back(
            {connect_hypervisor(options.hypervisor), hypervisor::make_self_hypervisor()});
    }
    return std::make_shared<Pumps>(std::move(hypervisors), result, wake);
}

class Dataplane final : public Plane<Dataplane, Pumps> {
  public:
    static constexpr const char* kName = "Dataplane";
    static constexpr const char* kClosed = "the data plane is closed";

    // A new call is a line here.
    static constexpr auto calls() {
        return std::tuple{
            Call<&Pumps::offer, How::kOnWorker>{"offer", {"peer", "ringOrder"}},
            Call<&Pumps::connect, How::kOnWorker>{"connect", {"peer", "ringRef", "eventChannel"}},
            Call<&Pumps::offer_lane, How::kOnWorker>{"offerLane", {"link", "lane", "ringOrder"}},
            Call<&Pumps::connect_lane, How::kOnWorker>{"connectLane",
                                                       {"link", "lane", "ringRef", "eventChannel"}},
            Call<&Pumps::connect_self>{"connectSelf", {"ringOrder"}},
            Call<&Pumps::close_link>{"closeLink", {"link", "drain"}},
            Call<&set_exports>{"setExports", {"link", "exports"}},
            Call<&Pumps::send_services>{"sendServices", {"link", "payload"}},
            Call<&set_limits>{"setLimits", {"limits"}},
            Call<&Pumps::report_streams>{"reportStreams", {"wanted"}},
            Call<&pump::listen>{"listen", {"options"}},
            Call<&Pumps::unlisten>{"unlisten", {"listener"}},
            Call<&Pumps::streams>{"streams"},
            Call<&Pumps::links>{"links"},
            Call<&Pumps::terminate>{"terminate", {"link", "stream"}},
            Call<&Pumps::ping>{"ping", {"number"}},
            Call<&Pumps::take_events, How::kEvenClosed>{"takeEvents"},
            // May come after close(): xenstore was asked before it.
            Call<&Pumps::domain_checked, How::kEvenClosed>{"domainChecked", {"check"}},
        };
    }

    explicit Dataplane(const Napi::CallbackInfo& info)
        : Plane(info, [options = from_js<Options>(info[0])](const std::function<void()>& wake) {
              return make_pumps(options, wake);
          }) {}
};

}  // namespace

void init_dataplane(Napi::Env env, Napi::Object exports) {
    Dataplane::init(env, exports);
}

std::string describe_dataplane() {
    return Dataplane::typescript();
}

std::string describe_dataplane_options() {
    return schema::typescript<Options>();
}

}  // namespace xsock::binding

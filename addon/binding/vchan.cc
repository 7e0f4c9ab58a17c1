#include "binding/vchan.h"

#include "binding/inputs.h"
#include "binding/plane.h"
#include "sys/socket.h"
#include "vchan/relays.h"

namespace xsock::binding {

namespace {

using vchan::Relays;

Relays::Offer serve(Relays& relays, hypervisor::DomId peer, std::uint16_t order,
                    const Target& target) {
    return relays.serve(peer, order, address_of(target));
}

vchan::ListenerId listen(Relays& relays, const std::string& path, std::uint32_t mode,
                         std::uint32_t uid, std::uint32_t gid) {
    return relays.listen(sys::listen_unix(path, mode, uid, gid));
}

class Vchan final : public Plane<Vchan, Relays> {
  public:
    static constexpr const char* kName = "Vchan";
    static constexpr const char* kClosed = "the raw vchans are closed";

    static constexpr auto calls() {
        return std::tuple{
            Call<&serve, How::kOnWorker>{"serve", {"peer", "order", "target"}},
            Call<&Relays::connect, How::kOnWorker>{"connect",
                                                   {"listener", "peer", "ringRef", "eventChannel"}},
            Call<&listen>{"listen", {"path", "mode", "uid", "gid"}},
            Call<&Relays::unlisten>{"unlisten", {"listener"}},
            Call<&Relays::refuse>{"refuse", {"listener"}},
            Call<&Relays::terminate>{"terminate", {"relay"}},
            Call<&Relays::ping>{"ping", {"number"}},
            Call<&Relays::take_events, How::kEvenClosed>{"takeEvents"},
            Call<&Relays::domain_checked, How::kEvenClosed>{"domainChecked", {"check"}},
        };
    }

    explicit Vchan(const Napi::CallbackInfo& info)
        : Plane(info,
                [where = from_js<HypervisorChoice>(info[0])](const std::function<void()>& wake) {
                    return std::make_shared<Relays>(connect_hypervisor(where), wake);
                }) {}
};

}  // namespace

void init_vchan(Napi::Env env, Napi::Object exports) {
    Vchan::init(env, exports);
}

std::string describe_vchan() {
    return Vchan::typescript();
}

}  // namespace xsock::binding

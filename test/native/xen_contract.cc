// The contract of all back ends on the devices of a real Xen, in domain 0 with itself: a PV domain
// may map its own grants, so one process can be both ends.
#include "../contract/hypervisor_contract.h"
#include "hypervisor/xen/connect.h"

int main() {
    using namespace xsock::hypervisor;
    contract::map_errors() = {EINVAL, EINVAL};
    contract::run([] {
        return contract::Domains{
            .a_domid = 0, .a = xen::connect_xen(), .b_domid = 0, .b = xen::connect_xen()};
    });
    return tap::done();
}

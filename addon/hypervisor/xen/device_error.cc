#include "hypervisor/xen/device_error.h"

#include <cerrno>
#include <string>

#include "sys/error.h"

namespace xsock::hypervisor::xen {

void throw_device_error(const char* name, int error) {
    const std::string device = std::string("/dev/xen/") + name;
    if (error == EACCES || error == EPERM) {
        sys::throw_errno(
            (device + " is not for this user: systemd/rules.d/70-xsock.rules lets the group xsock")
                .c_str(),
            error);
    }
    sys::throw_errno((device + " (modprobe xen_" + name + ")").c_str(), error);
}

}  // namespace xsock::hypervisor::xen

// Errors of opening a Xen device, with the remedy.
#pragma once

namespace xsock::hypervisor::xen {

// Throws std::system_error for `error`, an errno value; `name` is the device below /dev/xen and the
// end of its kernel module's name.
[[noreturn]] void throw_device_error(const char* name, int error);

}  // namespace xsock::hypervisor::xen

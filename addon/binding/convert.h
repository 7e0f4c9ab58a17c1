// Values between C++ and JavaScript, in the shapes of daemon/dataplane/dataplane.ts.
#pragma once

#include <napi.h>

#include <vector>

#include "link/events.h"
#include "link/export_table.h"
#include "pump/pumps.h"

namespace xsock::binding {

Napi::Value to_js(Napi::Env env, const link::Event& event);
Napi::Value to_js(Napi::Env env, const std::vector<pump::StreamInfo>& streams);
Napi::Value to_js(Napi::Env env, const std::vector<pump::LinkInfo>& links);

// {kind: 'xen'} or {kind: 'loopback', domainDir}. Throws std::system_error.
hypervisor::Hypervisor connect_hypervisor(const Napi::Object& where);
// {kind: 'unix', path} or {kind: 'tcp', host, port}
sys::Address address_from_js(const Napi::Object& target);
std::vector<link::ExportEntry> exports_from_js(const Napi::Array& entries);
pump::PumpOptions options_from_js(const Napi::Object& options);
link::Limits limits_from_js(const Napi::Object& limits);
std::vector<std::byte> bytes_from_js(const Napi::Value& value);

}  // namespace xsock::binding

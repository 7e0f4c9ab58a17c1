// The JavaScript class `Dataplane`: the interface to the pumps. Its calls are those of the table in
// dataplane.cc; see binding/plane.h.
#pragma once

#include <napi.h>

#include <string>

namespace xsock::binding {

void init_dataplane(Napi::Env env, Napi::Object exports);
// Its interface in TypeScript.
std::string describe_dataplane();
// What its constructor takes, likewise.
std::string describe_dataplane_options();

}  // namespace xsock::binding

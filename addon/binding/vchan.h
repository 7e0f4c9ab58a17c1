// The JavaScript class `Vchan`: the interface to the raw vchan streams. Its calls are those of the
// table in vchan.cc; see binding/plane.h.
#pragma once

#include <napi.h>

#include <string>

namespace xsock::binding {

void init_vchan(Napi::Env env, Napi::Object exports);
// Its interface in TypeScript.
std::string describe_vchan();

}  // namespace xsock::binding

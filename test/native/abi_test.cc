// The wire formats, number by number. With --print: `name value` lines, which must be rows of the
// tables in docs/protocol.md (test/unit/protocol-doc.test.ts).
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "abi/control_page.h"
#include "abi/features.h"
#include "abi/frame.h"
#include "link/link.h"
#include "tap.h"

#if __has_include(<xen/io/libxenvchan.h>) && !defined(XSOCK_WITHOUT_XEN_HEADERS)
#include <xen/xen.h>
// Debian's header; it needs the one above.
#include <xen/io/libxenvchan.h>
#define XSOCK_HAS_LIBXENVCHAN 1
#endif

namespace {

using namespace xsock::abi;
using xsock::stream::kInitialWindow;

struct Number {
    const char* name;
    std::size_t value;
};

#define OFFSET(type, field)                     \
    Number {                                    \
#type "." #field, offsetof(type, field) \
    }
#define SIZE(type)                        \
    Number {                              \
        "sizeof(" #type ")", sizeof(type) \
    }
#define CONSTANT(name)                          \
    Number {                                    \
#name, static_cast < std::size_t>(name) \
    }
#define ENUMERATOR(type, name)                                  \
    Number {                                                    \
#type "." #name, static_cast < std::size_t>(type::name) \
    }

const Number kNumbers[] = {
    OFFSET(ControlPage, left.cons),
    OFFSET(ControlPage, left.prod),
    OFFSET(ControlPage, right.cons),
    OFFSET(ControlPage, right.prod),
    OFFSET(ControlPage, left_order),
    OFFSET(ControlPage, right_order),
    OFFSET(ControlPage, cli_live),
    OFFSET(ControlPage, srv_live),
    OFFSET(ControlPage, cli_notify),
    OFFSET(ControlPage, srv_notify),
    OFFSET(ControlPage, grants),
    CONSTANT(kMinByteOrder),
    CONSTANT(kMaxByteOrder),
    CONSTANT(kNotifyWrite),
    CONSTANT(kNotifyRead),
    CONSTANT(kGone),
    CONSTANT(kLive),
    CONSTANT(kNoClientYet),
    CONSTANT(kFrameAlignment),
    CONSTANT(kMaxPayload),
    OFFSET(FrameHeader, length),
    OFFSET(FrameHeader, type),
    OFFSET(FrameHeader, flags),
    OFFSET(FrameHeader, reserved),
    OFFSET(FrameHeader, stream),
    OFFSET(FrameHeader, argument),
    SIZE(FrameHeader),
    ENUMERATOR(FrameType, kHello),
    ENUMERATOR(FrameType, kServices),
    ENUMERATOR(FrameType, kPing),
    ENUMERATOR(FrameType, kPong),
    ENUMERATOR(FrameType, kGoodbye),
    ENUMERATOR(FrameType, kLane),
    ENUMERATOR(FrameType, kOpen),
    ENUMERATOR(FrameType, kAccept),
    ENUMERATOR(FrameType, kRefuse),
    ENUMERATOR(FrameType, kData),
    ENUMERATOR(FrameType, kShutdown),
    ENUMERATOR(FrameType, kReset),
    ENUMERATOR(FrameType, kCredit),
    ENUMERATOR(FrameType, kTest),
    ENUMERATOR(Feature, kTest),
    CONSTANT(kServicesMore),
    CONSTANT(kShutdownSend),
    CONSTANT(kShutdownReceive),
    CONSTANT(kStreamOpenerBit),
    CONSTANT(kStreamLaneShift),
    CONSTANT(kMaxLanes),
    OFFSET(Hello, magic),
    OFFSET(Hello, version_min),
    OFFSET(Hello, version_max),
    OFFSET(Hello, domid),
    OFFSET(Hello, peer_domid),
    OFFSET(Hello, initial_window),
    OFFSET(Hello, features),
    OFFSET(Hello, instance),
    OFFSET(Hello, max_payload),
    OFFSET(Hello, max_streams),
    OFFSET(Hello, max_lanes),
    OFFSET(Hello, lane),
    SIZE(Hello),
    OFFSET(Lane, number),
    OFFSET(Lane, ring_ref),
    OFFSET(Lane, event_channel),
    OFFSET(Lane, reserved),
    SIZE(Lane),
    CONSTANT(kVersionMin),
    CONSTANT(kVersionMax),
    CONSTANT(kInitialWindow),
    CONSTANT(kMaxServicesMessage),
    OFFSET(Open, port),
    OFFSET(Open, name_length),
    SIZE(Open),
    CONSTANT(kMaxServiceName),
    ENUMERATOR(RefuseReason, kNoSuchService),
    ENUMERATOR(RefuseReason, kDenied),
    ENUMERATOR(RefuseReason, kTargetUnavailable),
    ENUMERATOR(RefuseReason, kTooManyStreams),
    ENUMERATOR(RefuseReason, kShuttingDown),
    ENUMERATOR(ResetReason, kLocalReset),
    ENUMERATOR(ResetReason, kFdPassing),
    ENUMERATOR(ResetReason, kTerminated),
};

#ifdef XSOCK_HAS_LIBXENVCHAN
void matches_libxenvchan() {
    CHECK(offsetof(ControlPage, left) == offsetof(vchan_interface, left));
    CHECK(offsetof(ControlPage, right) == offsetof(vchan_interface, right));
    CHECK(offsetof(RingIndices, cons) == offsetof(ring_shared, cons));
    CHECK(offsetof(RingIndices, prod) == offsetof(ring_shared, prod));
    CHECK(offsetof(ControlPage, left_order) == offsetof(vchan_interface, left_order));
    CHECK(offsetof(ControlPage, right_order) == offsetof(vchan_interface, right_order));
    CHECK(offsetof(ControlPage, cli_live) == offsetof(vchan_interface, cli_live));
    CHECK(offsetof(ControlPage, srv_live) == offsetof(vchan_interface, srv_live));
    CHECK(offsetof(ControlPage, cli_notify) == offsetof(vchan_interface, cli_notify));
    CHECK(offsetof(ControlPage, srv_notify) == offsetof(vchan_interface, srv_notify));
    CHECK(offsetof(ControlPage, grants) == offsetof(vchan_interface, grants));
    CHECK(kNotifyWrite == VCHAN_NOTIFY_WRITE);
    CHECK(kNotifyRead == VCHAN_NOTIFY_READ);
}
#endif

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--print") == 0) {
        for (const Number& number : kNumbers) {
            std::printf("%s %zu\n", number.name, number.value);
        }
        return 0;
    }
#ifdef XSOCK_HAS_LIBXENVCHAN
    tap::test("the control page is libxenvchan's, by Debian's header", matches_libxenvchan);
#else
    tap::skip("the control page is libxenvchan's", "not installed: libxen-dev");
#endif
    return tap::done();
}

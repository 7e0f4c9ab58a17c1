// Exits with 0 as soon as this domain can grant as many pages as its first argument says: nothing
// is leaked. The kernel frees pages late, so it is tried for up to half a minute.
#include <poll.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <vector>

#include "hypervisor/xen/memory.h"

namespace {

using namespace xsock::hypervisor;

std::size_t grantable(GrantedMemory& memory, std::size_t wanted) {
    std::vector<std::unique_ptr<SharedPages>> held;
    try {
        while (held.size() < wanted) {
            held.push_back(memory.share(0, 1, Access::kReadOnly, nullptr));
        }
    } catch (const std::system_error&) {
        // The limit: how many there were is the answer.
    }
    return held.size();
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t wanted = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
    const auto memory = xen::open_memory();
    std::size_t free = 0;
    for (int attempt = 0; attempt < 300; ++attempt) {
        free = grantable(*memory, wanted);
        if (free == wanted) {
            std::printf("%zu pages can be granted\n", free);
            return 0;
        }
        ::poll(nullptr, 0, 100);
    }
    std::printf("only %zu of %zu pages can be granted\n", free, wanted);
    return 1;
}

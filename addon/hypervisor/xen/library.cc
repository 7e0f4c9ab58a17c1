#include "hypervisor/xen/library.h"

#include <dlfcn.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace xsock::hypervisor::xen {

namespace {

// One shared library; looks its functions up by name.
class Library {
  public:
    Library(const char* file, const char* package)
        : file_(file), package_(package), handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) {
            fail(::dlerror());
        }
    }
    template <typename Function>
    void find(Function& function, const char* name) const {
        void* const symbol = ::dlsym(handle_, name);
        if (symbol == nullptr) {
            fail(std::string("it has no ") + name);
        }
        function = reinterpret_cast<Function>(symbol);
    }

  private:
    [[noreturn]] void fail(const std::string& why) const {
        throw std::system_error(ENOENT, std::generic_category(),
                                file_ + " cannot be used (" + why + "): install Debian's package " +
                                    package_ + ", or run without Xen by --hypervisor loopback");
    }

    std::string file_;
    std::string package_;
    void* handle_;
};

GrantLibrary load_grant_library() {
    const Library library("libxengnttab.so.1", "libxengnttab1");
    GrantLibrary functions{};
    library.find(functions.gnttab_open, "xengnttab_open");
    library.find(functions.gnttab_close, "xengnttab_close");
    library.find(functions.map_refs, "xengnttab_map_domain_grant_refs");
    library.find(functions.map_ref_notify, "xengnttab_map_grant_ref_notify");
    library.find(functions.unmap, "xengnttab_unmap");
    library.find(functions.gntshr_open, "xengntshr_open");
    library.find(functions.gntshr_close, "xengntshr_close");
    library.find(functions.share_pages, "xengntshr_share_pages");
    library.find(functions.share_page_notify, "xengntshr_share_page_notify");
    library.find(functions.unshare, "xengntshr_unshare");
    return functions;
}

EventLibrary load_event_library() {
    const Library library("libxenevtchn.so.1", "libxenevtchn1");
    EventLibrary functions{};
    library.find(functions.open, "xenevtchn_open");
    library.find(functions.close, "xenevtchn_close");
    library.find(functions.fd, "xenevtchn_fd");
    library.find(functions.bind_unbound_port, "xenevtchn_bind_unbound_port");
    library.find(functions.bind_interdomain, "xenevtchn_bind_interdomain");
    library.find(functions.unbind, "xenevtchn_unbind");
    library.find(functions.notify, "xenevtchn_notify");
    return functions;
}

}  // namespace

const GrantLibrary& grant_library() {
    static const GrantLibrary library = load_grant_library();
    return library;
}

const EventLibrary& event_library() {
    static const EventLibrary library = load_event_library();
    return library;
}

}  // namespace xsock::hypervisor::xen

// The functions of libxengnttab.so.1 and libxenevtchn.so.1 that we use, found at run time: one
// build runs with and without Xen. Both are stable ABIs; the prototypes are those of Xen's public
// tools/include/{xengnttab,xenevtchn}.h.
#pragma once

#include <cstdint>
#include <memory>

namespace xsock::hypervisor::xen {

// Opaque handles of the libraries.
struct GntTab;
struct GntShr;
struct EvtChn;

struct GrantLibrary {
    GntTab* (*gnttab_open)(void* logger, unsigned flags);
    int (*gnttab_close)(GntTab*);
    void* (*map_refs)(GntTab*, std::uint32_t count, std::uint32_t domid, std::uint32_t* refs,
                      int protection);
    void* (*map_ref_notify)(GntTab*, std::uint32_t domid, std::uint32_t ref, int protection,
                            std::uint32_t notify_offset, std::uint32_t notify_port);
    int (*unmap)(GntTab*, void* start, std::uint32_t count);
    GntShr* (*gntshr_open)(void* logger, unsigned flags);
    int (*gntshr_close)(GntShr*);
    void* (*share_pages)(GntShr*, std::uint32_t domid, int count, std::uint32_t* refs,
                         int writable);
    void* (*share_page_notify)(GntShr*, std::uint32_t domid, std::uint32_t* ref, int writable,
                               std::uint32_t notify_offset, std::uint32_t notify_port);
    int (*unshare)(GntShr*, void* start, std::uint32_t count);
};

struct EventLibrary {
    EvtChn* (*open)(void* logger, unsigned flags);
    int (*close)(EvtChn*);
    int (*fd)(EvtChn*);
    int (*bind_unbound_port)(EvtChn*, std::uint32_t domid);
    int (*bind_interdomain)(EvtChn*, std::uint32_t domid, std::uint32_t port);
    int (*unbind)(EvtChn*, std::uint32_t port);
    int (*notify)(EvtChn*, std::uint32_t port);
};

// Throw std::system_error (ENOENT) that names the library, its Debian package and the loopback
// hypervisor as the alternative. Loaded once, never unloaded.
const GrantLibrary& grant_library();
const EventLibrary& event_library();

}  // namespace xsock::hypervisor::xen

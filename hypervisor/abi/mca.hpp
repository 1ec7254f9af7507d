// mca: machine checks, as dom0 asks for them. Only what a dom0 calls at boot has its struct here.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

inline constexpr uint32_t mca_interface_version = 0x01EC'C003;

enum class McaCmd : uint32_t {
    fetch = 1,
    notifydomain = 2,
    physcpuinfo = 3,
    msrinject = 4,
    mceinject = 5,
    inject_v2 = 6,
};

/// Bits of the `flags` of a fetch: what is wanted, and what was found.
inline constexpr uint32_t mc_nonurgent = 1;
inline constexpr uint32_t mc_urgent = 2;
inline constexpr uint32_t mc_ack = 4;
inline constexpr uint32_t mc_ok = 0;
inline constexpr uint32_t mc_fetchfailed = 1;
inline constexpr uint32_t mc_nodata = 2;

struct McaFetch {
    uint32_t flags;
    uint32_t pad0;
    uint64_t fetch_id;
    GuestHandle<void> data;
};

struct McaLogicalCpu {
    uint32_t cpunr;
    uint32_t chipid;
    uint16_t coreid;
    uint16_t threadid;
    uint32_t apicid;
    uint32_t clusterid;
    uint32_t ncores;
    uint32_t ncores_active;
    uint32_t nthreads;
    uint32_t cpuid_level;
    uint32_t family;
    uint32_t vendor;
    uint32_t model;
    uint32_t step;
    char vendorid[16];
    char brandid[64];
    uint32_t cpu_caps[7];
    uint32_t cache_size;
    uint32_t cache_alignment;
    uint32_t nmsrvals;
    struct Msr {
        uint64_t reg;
        uint64_t value;
    } msrvalues[8];
};

struct McaPhyscpuinfo {
    uint32_t ncpus;
    uint32_t pad0;
    GuestHandle<McaLogicalCpu> info;
};

struct McaOp {
    McaCmd cmd;
    uint32_t interface_version;
    union Argument {
        McaFetch fetch;
        McaPhyscpuinfo physcpuinfo;
        uint8_t pad[144];
    } u;
};

}

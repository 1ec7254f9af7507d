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
    uint32_t mc_cpunr;
    uint32_t mc_chipid;
    uint16_t mc_coreid;
    uint16_t mc_threadid;
    uint32_t mc_apicid;
    uint32_t mc_clusterid;
    uint32_t mc_ncores;
    uint32_t mc_ncores_active;
    uint32_t mc_nthreads;
    int32_t mc_cpuid_level;
    uint32_t mc_family;
    uint32_t mc_vendor;
    uint32_t mc_model;
    uint32_t mc_step;
    char mc_vendorid[16];
    char mc_brandid[64];
    uint32_t mc_cpu_caps[7];
    uint32_t mc_cache_size;
    uint32_t mc_cache_alignment;
    int32_t mc_nmsrvals;
    struct Msr {
        uint64_t reg;
        uint64_t value;
    } mc_msrvalues[8];
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
        McaFetch mc_fetch;
        McaPhyscpuinfo mc_physcpuinfo;
        uint8_t pad[144];
    } u;
};

}

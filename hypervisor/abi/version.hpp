// xen_version: which hypervisor this is, and what it was built from.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

/// The version whose ABI this is.
inline constexpr uint32_t version_major = 4;
inline constexpr uint32_t version_minor = 17;

enum class VersionCmd : uint32_t {
    version = 0,
    extraversion = 1,
    compile_info = 2,
    capabilities = 3,
    changeset = 4,
    platform_parameters = 5,
    get_features = 6,
    pagesize = 7,
    guest_handle = 8,
    commandline = 9,
    build_id = 10,
};

struct Extraversion {
    char text[16];
};

struct CompileInfo {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};

struct CapabilitiesInfo {
    char text[1024];
};

struct ChangesetInfo {
    char text[64];
};

struct PlatformParameters {
    uint64_t virt_start;
};

struct FeatureInfo {
    uint32_t submap_idx;
    uint32_t submap; // bits are features, see features.hpp
};

struct Commandline {
    char text[1024];
};

/// Followed by `len` bytes.
struct BuildId {
    uint32_t len;
};

}

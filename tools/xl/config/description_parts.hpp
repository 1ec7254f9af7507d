// The parts of a description that description.cpp puts together.
#pragma once

#include "tools/xl/config/description.hpp"
#include "tools/xl/config/fields.hpp"

namespace xylem::xl::config {

inline constexpr std::int64_t most_listed_vcpus = 8192;

/// disks, nics and so on, in libxl's order; kinds that the configuration does not have are left out.
Json describe_devices(const Reader& reader, const Defaults& defaults, const std::string& type);

Json hvm_part(const Reader& reader);

/// vnc= and its like, which an HVM guest has as a whole and a PV guest in each framebuffer.
Json vnc_part(const Reader& reader);
Json sdl_part(const Reader& reader);

Json describe_sound(const Reader& reader);

/// ioports, irqs and iomem.
void set_hardware(Json& json, const Reader& reader);

struct Vnuma {
    Json nodes = Json::array();
    std::int64_t vcpus = 0;
    std::uint64_t kib = 0;
    bool pinned = false; ///< a node names one of the machine's
};
Vnuma vnuma_of(const Reader& reader, const Machine& machine);

}

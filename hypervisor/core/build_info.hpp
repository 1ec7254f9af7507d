// What this hypervisor was built from, and how it was started.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem {

struct BuildInfo {
    const char* compiler;
    const char* date;
    const char* changeset;
    const char* command_line; ///< our own, as the boot loader gave it
    const u8* id;
    size_t id_size;
};

extern BuildInfo build_info;

}

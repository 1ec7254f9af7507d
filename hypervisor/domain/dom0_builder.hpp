// Builds the control domain from the boot loader's modules.
#pragma once

#include "hypervisor/domain/domain.hpp"

#include <span>

namespace xylem {

struct Dom0Request {
    std::span<const u8> kernel; ///< ELF, or a bzImage
    std::span<const u8> initrd; ///< may be empty
    const char* command_line;
    u64 pages;     ///< of memory it gets
    u64 max_pages; ///< that it may grow to
    unsigned vcpus;
    bool has_vga_text;     ///< the machine has a VGA text screen
    u8 cursor_x, cursor_y; ///< where our own output on it ended
};

/// Makes domain 0, ready to run but still paused. A request that cannot be met is our user's fault: a sentence, null.
Domain* build_dom0(const Dom0Request& request);

}

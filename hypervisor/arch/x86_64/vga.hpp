// VGA text mode, 80 by 25: what a person without a serial line sees until dom0 takes the screen.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

class VgaText {
public:
    /// Clears the screen at `memory` (the 0xb8000 window), if it is not shown already.
    void initialise(volatile u16* memory);
    void put(char c);
    /// The screen belongs to dom0 from now on. @return the first free line, the last line if there is none
    u8 release();

private:
    void new_line();

    volatile u16* memory_ = nullptr;
    unsigned row_ = 0, column_ = 0;
};

}

// A kernel in ELF with Xen's notes: refused, or its segments lie apart, in order, and within the file.
#include "hypervisor/boot/elf.hpp"
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

using namespace xylem;
using namespace xylem::boot;

FUZZ_TARGET(elf)
{
    ElfKernel kernel;
    if (kernel.parse(input) != ElfError::None)
        return;
    u64 end = 0;
    std::vector<u8> out(512);
    for (const ElfSegment& segment : kernel.segments()) {
        EXPECT_GE(segment.physical_address, end);
        EXPECT_LE(segment.file.size(), segment.memory_size);
        end = segment.physical_end();
        kernel.read(segment.physical_address, out);
        kernel.read(end - 256, out);
    }
}

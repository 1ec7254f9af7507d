// A .xz file: unpacked into a room that may be too small, or refused.
#include "hypervisor/boot/xz.hpp"
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

#include <memory>

using namespace xylem;
using namespace xylem::boot;

FUZZ_TARGET(xz)
{
    static const auto workspace = std::make_unique<XzWorkspace>();
    std::vector<u8> out(64 << 10);
    const UnpackResult result = unpack_xz(input, out, *workspace);
    if (!result.ok())
        return;
    EXPECT_LE(result.input_used, input.size());
    EXPECT_LE(result.output_size, out.size());
}

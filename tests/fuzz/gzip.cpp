// A .gzip file: unpacked into a room that may be too small, or refused.
#include "hypervisor/boot/gzip.hpp"
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

#include <memory>

using namespace xylem;
using namespace xylem::boot;

FUZZ_TARGET(gzip)
{
    static const auto workspace = std::make_unique<GzipWorkspace>();
    std::vector<u8> out(64 << 10);
    const UnpackResult result = unpack_gzip(input, out, *workspace);
    if (!result.ok())
        return;
    EXPECT_LE(result.input_used, input.size());
    EXPECT_LE(result.output_size, out.size());
}

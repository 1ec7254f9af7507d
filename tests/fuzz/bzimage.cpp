// A bzImage: refused, or its payload lies within the file.
#include "hypervisor/boot/bzimage.hpp"
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

using namespace xylem;
using namespace xylem::boot;

FUZZ_TARGET(bzimage)
{
    BzImagePayload payload;
    if (find_payload(input, payload) != BzImageError::None)
        return;
    EXPECT_GE(payload.bytes.data(), input.data());
    EXPECT_LE(payload.bytes.data() + payload.bytes.size(), input.data() + input.size());
}

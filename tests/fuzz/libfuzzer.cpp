// The one target of a fuzzer, for libFuzzer's main.
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

extern "C" int LLVMFuzzerInitialize(int*, char***)
{
    GTEST_FLAG_SET(break_on_failure, true); // a failed expectation is a finding
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size)
{
    xylem::fuzz::targets().front().run({data, size});
    return 0;
}

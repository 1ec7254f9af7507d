// A fuzz target: a function of any bytes, which must be harmless. Each is built twice: with libFuzzer, which looks for
// new inputs (`make fuzz`), and into the unit test `fuzz_corpus`, which repeats those that are kept in corpus/.
//
// A target says that something is wrong by aborting, by a sanitizer, or by a failed expectation of GoogleTest.
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>
#include <vector>

namespace xylem::fuzz {

struct Target {
    const char* name;
    void (*run)(std::span<const u8> input);
};

/// Those that are linked in: one in a fuzzer, all in the unit test.
inline std::vector<Target>& targets()
{
    static std::vector<Target> all;
    return all;
}

struct Registration {
    Registration(const char* name, void (*run)(std::span<const u8>)) { targets().push_back({name, run}); }
};

}

#define FUZZ_TARGET(name)                                                                                              \
    static void fuzz_##name(std::span<const ::xylem::u8> input);                                                       \
    static const ::xylem::fuzz::Registration registration_of_##name(#name, fuzz_##name);                               \
    static void fuzz_##name(std::span<const ::xylem::u8> input)

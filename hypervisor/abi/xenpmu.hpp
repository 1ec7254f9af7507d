// xenpmu_op: virtual performance counters. A hypervisor without them refuses every command, and kernels live with that.
#pragma once

#include <stdint.h>

namespace xylem::abi {

enum class XenpmuCmd : uint32_t {
    mode_get = 0,
    mode_set = 1,
    feature_get = 2,
    feature_set = 3,
    init = 4,
    finish = 5,
    lvtpc_set = 6,
    flush = 7,
};

struct XenpmuParams {
    struct Version {
        uint32_t maj;
        uint32_t min;
    } version;
    uint64_t val;
    uint32_t vcpu;
    uint32_t pad;
};

}

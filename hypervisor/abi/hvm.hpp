// hvm_op: only the two commands that PV tools try, and the numbers of the parameters they try them with.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class HvmCmd : uint32_t { set_param = 0, get_param = 1 };

struct HvmParam {
    RawDomId domid;
    uint16_t pad;
    uint32_t index;
    uint64_t value;
};

inline constexpr uint32_t hvm_param_store_pfn = 1;
inline constexpr uint32_t hvm_param_store_evtchn = 2;
inline constexpr uint32_t hvm_param_console_pfn = 17;
inline constexpr uint32_t hvm_param_console_evtchn = 18;

}

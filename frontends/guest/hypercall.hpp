// Hypercalls of a small guest: SYSCALL with the number in RAX.
#pragma once

#include "hypervisor/abi/hypercall.hpp"
#include "hypervisor/base/result.hpp"

#include <stdint.h>

namespace xylem::guest {

/// Calls number `number` with up to five arguments. @return the hypervisor's result, negative for an error
inline int64_t hypercall(uint64_t number, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0, uint64_t a4 = 0,
                         uint64_t a5 = 0)
{
    register uint64_t r10 asm("r10") = a4;
    register uint64_t r8 asm("r8") = a5;
    int64_t result;
    asm volatile("syscall"
                 : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                 : "0"(number)
                 : "rcx", "r11", "r9", "memory");
    return result;
}

inline int64_t hypercall(abi::HypercallNumber number, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0,
                         uint64_t a4 = 0, uint64_t a5 = 0)
{
    return hypercall(static_cast<uint64_t>(number), a1, a2, a3, a4, a5);
}

/// The error in what a hypercall answered, if there is one.
inline Result<void> to_result(int64_t answer)
{
    return answer < 0 ? Result<void>(static_cast<Error>(-answer)) : Result<void>();
}

template <typename T> uint64_t address_of(T& object)
{
    return reinterpret_cast<uint64_t>(&object);
}

}

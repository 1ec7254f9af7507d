// A domain with a running vCPU, for tests of the paging and memory hypercalls as a guest makes them.
#pragma once

#include "tests/support/fake_guest.hpp"
#include "tests/unit/sharing_ops/op_domain.hpp"

namespace xylem::test {

using hypercall::Arguments;
using hypercall::test::at;

struct PagingDomain : hypercall::test::OpDomain {
    explicit PagingDomain(u16 id, Privilege privilege = Privilege::none);
    ~PagingDomain();

    /// Makes the call until it is finished. @return its result
    i64 call(hypercall::Handler handler, u64 a0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0);
    i64 mmu_update(MachineAddress entry, u64 value, u64 command = 0, u32 foreigndom = domid_self.value);
    i64 mmuext(abi::MmuextCmd command, u64 arg1 = 0, u64 arg2 = 0, u32 foreigndom = domid_self.value);
    i64 memory_op(abi::MemoryCmd command, u64 argument)
    {
        return call(hypercall::memory_op, static_cast<u64>(command), argument);
    }
    MachineAddress l1_entry(unsigned index) const { return entry_address(l1, index); }

    Mfn shared_gdt{};
    unsigned issued = 0; ///< how often the last call was issued
};

}

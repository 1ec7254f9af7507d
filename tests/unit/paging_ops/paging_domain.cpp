#include "tests/unit/paging_ops/paging_domain.hpp"

#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/mm/descriptors.hpp"

namespace xylem::test {

PagingDomain::PagingDomain(u16 id, Privilege privilege) : OpDomain(id, privilege)
{
    domain.shared_info = shared.get();
    domain.memory.privileged = domain.privileged();
    domain.memory.max_pages = 100000;
    domain.memory.perdomain_l3 = mm::allocate_frame().take();
    shared_gdt = mm::allocate_frame().take();
    vcpu.window = mm::create_window(domain.memory, 0, shared_gdt).take();
}

PagingDomain::~PagingDomain()
{
    mm::release_descriptors(vcpu);
    if (vcpu.user_root)
        mm::put_root(mfn_of(MachineAddress(vcpu.user_root)));
    // The base class puts the root that the vCPU began with.
    if (vcpu.kernel_root != address_of(l4).value)
        l4 = mfn_of(MachineAddress(vcpu.kernel_root));
    mm::free_window_tables(domain.memory);
    mm::free_frame(shared_gdt);
}

i64 PagingDomain::call(hypercall::Handler handler, u64 a0, u64 a1, u64 a2, u64 a3)
{
    Arguments args{{a0, a1, a2, a3, 0, 0}};
    for (issued = 1;; ++issued) {
        const i64 result = handler(vcpu, args);
        if (result != hypercall::preempted)
            return result;
    }
}

i64 PagingDomain::mmu_update(MachineAddress entry, u64 value, u64 command, u32 foreigndom)
{
    abi::MmuUpdate request{entry.value | command, value};
    return call(hypercall::mmu_update, at(request), 1, 0, foreigndom);
}

i64 PagingDomain::mmuext(abi::MmuextCmd command, u64 arg1, u64 arg2, u32 foreigndom)
{
    abi::MmuextOp op{};
    op.cmd = command;
    op.arg1.linear_addr = arg1;
    op.arg2.src_mfn = arg2;
    return call(hypercall::mmuext_op, at(op), 1, 0, foreigndom);
}

}

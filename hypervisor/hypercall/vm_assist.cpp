// vm_assist: conveniences that a domain asks for. (xen/include/public/xen.h; docs/pv-abi.md 3.14)

#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {
namespace {

constexpr u64 bit(abi::VmassistType type)
{
    return u64{1} << static_cast<u32>(type);
}

constexpr u64 known_types = bit(abi::VmassistType::four_gb_segments) | bit(abi::VmassistType::four_gb_segments_notify) |
                            bit(abi::VmassistType::writable_pagetables) | bit(abi::VmassistType::pae_extended_cr3) |
                            bit(abi::VmassistType::architectural_iopl) | bit(abi::VmassistType::runstate_update_flag) |
                            bit(abi::VmassistType::m2p_strict);

Result<void> assist(Domain& domain, u32 command, u32 type)
{
    if (type >= 64 || !(known_types >> type & 1))
        return Error::Invalid;
    switch (static_cast<abi::VmassistCmd>(command)) {
    case abi::VmassistCmd::enable:
        atomic_or(&domain.vm_assist, u64{1} << type);
        break;
    case abi::VmassistCmd::disable:
        atomic_and(&domain.vm_assist, ~(u64{1} << type));
        break;
    default:
        return Error::NotImplemented;
    }
    domain.memory.m2p_strict = domain.vm_assist_enabled(abi::VmassistType::m2p_strict);
    return {};
}

}

i64 vm_assist(Vcpu& self, Arguments& args)
{
    return to_wire(assist(*self.domain, static_cast<u32>(args.a[0]), static_cast<u32>(args.a[1])));
}

}

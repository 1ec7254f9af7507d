// MSRs of a PV guest. (PV_ABI 2.8; LINUX_PV 7.4)
//
// Few are really there: the segment bases, the PAT as we run it, machine-check banks that hold nothing. Of the others some read
// as constants and ignore writes, since kernels probe them; the rest fault.

#include "hypervisor/arch/x86_64/guest_msr.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/hypercall_page.hpp"
#include "hypervisor/domain/policies.hpp"

namespace xylem::arch {
namespace {

constexpr u32 msr_tsc = 0x10, msr_apic_base = 0x1b, msr_patch_level = 0x8b, msr_platform_info = 0xce, msr_arch_capabilities = 0x10a,
              msr_mcg_cap = 0x179, msr_mcg_status = 0x17a, msr_mcg_ctl = 0x17b, msr_misc_enable = 0x1a0, msr_pat = 0x277,
              msr_mc_first = 0x400, msr_mc_last = 0x47f, msr_hypercall = 0x40000000, msr_hypercall_last = 0x400002ff,
              msr_efer = 0xc0000080, msr_hwcr = 0xc0010015, msr_nb_cfg = 0xc001001f, msr_mmio_conf = 0xc0010058,
              msr_k8_fidvid = 0xc0010041, msr_pstate_first = 0xc0010061, msr_pstate_last = 0xc001006b, msr_de_cfg = 0xc0011029,
              msr_perf_capabilities = 0x345;
constexpr u64 pat_value = 0x050100070406;
constexpr u64 apic_base_value = 0xfee00800, apic_base_boot_processor = 0x100;
constexpr u64 efer_svme = 1 << 12;

bool is_amd(const Vcpu& vcpu) { return vcpu.domain->policy->vendor == CpuVendor::Amd || vcpu.domain->policy->vendor == CpuVendor::Hygon; }
bool is_intel(const Vcpu& vcpu) { return vcpu.domain->policy->vendor == CpuVendor::Intel; }
bool is_pstate(u32 msr) { return msr == msr_k8_fidvid || msr == msr_k8_fidvid + 1 || (msr >= msr_pstate_first && msr <= msr_pstate_last); }

/// Reads an MSR of the machine that may not be there. @return success
bool read_host_msr(u32 msr, u64& value)
{
    u32 low = 0, high = 0, ok = 0;
    asm volatile("1: rdmsr\n"
                 "   mov $1, %2\n"
                 "2:\n"
                 ".pushsection .ex_table, \"a\"\n"
                 ".quad 1b, 2b\n"
                 ".popsection\n"
                 : "+a"(low), "+d"(high), "+r"(ok)
                 : "c"(msr));
    value = u64{high} << 32 | low;
    return ok;
}

bool read(Vcpu& vcpu, u32 msr, u64& value)
{
    value = 0;
    switch (msr) {
    case msr_fs_base:
        value = read_msr(msr_fs_base);
        return true;
    case msr_gs_base:
        value = read_msr(msr_gs_base);
        return true;
    case msr_inactive_gs_base:
        value = read_msr(msr_inactive_gs_base);
        return true;
    case msr_tsc:
        value = machine::tsc();
        return true;
    case msr_apic_base:
        value = apic_base_value | (vcpu.id.value == 0 ? apic_base_boot_processor : 0);
        return true;
    case msr_efer:
        value = read_msr(msr_efer) & ~efer_svme;
        return true;
    case msr_pat:
        value = pat_value;
        return true;
    case msr_patch_level:
        return (is_amd(vcpu) || is_intel(vcpu)) && read_host_msr(msr, value);
    case msr_platform_info:
        value = vcpu.domain->policy->platform_info;
        return is_intel(vcpu);
    case msr_arch_capabilities:
        value = vcpu.domain->policy->arch_capabilities;
        return value != 0;
    case msr_misc_enable:
        return is_intel(vcpu) && read_host_msr(msr, value);
    case msr_mcg_cap:
        value = 2; // two banks, as every guest of this ABI is shown; both are empty
        return true;
    case msr_mcg_status:
    case msr_mcg_ctl:
    case msr_perf_capabilities:
    case msr_hypercall:
        return true;
    case msr_hwcr:
    case msr_nb_cfg:
    case msr_mmio_conf:
        return is_amd(vcpu);
    case msr_de_cfg:
        value = 2;
        return is_amd(vcpu);
    default:
        return (msr >= msr_mc_first && msr <= msr_mc_last) || (is_pstate(msr) && is_amd(vcpu));
    }
}

bool write(Vcpu& vcpu, u32 msr, u64 value)
{
    switch (msr) {
    case msr_fs_base:
    case msr_gs_base:
    case msr_inactive_gs_base:
        if (!abi::is_canonical(value))
            return false;
        write_msr(msr, value);
        return true;
    case msr_efer: {
        u64 present;
        return read(vcpu, msr_efer, present) && present == value;
    }
    case msr_hypercall:
        return !(value & ~page_mask) && write_hypercall_page(*vcpu.domain, mfn_of(MachineAddress(value))).ok();
    case msr_mcg_status:
    case msr_mcg_ctl:
        return true;
    case msr_patch_level:
        return is_intel(vcpu) && value == 0;
    case msr_misc_enable:
        return is_intel(vcpu);
    case msr_hwcr:
    case msr_nb_cfg:
    case msr_mmio_conf:
    case msr_de_cfg:
        return is_amd(vcpu);
    default:
        return (msr >= msr_mc_first && msr <= msr_mc_last) || (is_pstate(msr) && is_amd(vcpu));
    }
}

}

bool read_guest_msr(Vcpu& vcpu, GuestRegs& regs)
{
    const u32 msr = static_cast<u32>(regs.rcx);
    u64 value;
    if (!read(vcpu, msr, value)) {
        // A kernel that has no #GP handler yet would die of a probe: it reads zero, if the machine knows the register.
        const bool ours = msr >= msr_hypercall && msr <= msr_hypercall_last;
        u64 host;
        if (vcpu.traps[vector_general_protection].address || ours || !read_host_msr(msr, host))
            return false;
        value = 0;
    }
    regs.rax = static_cast<u32>(value);
    regs.rdx = value >> 32;
    return true;
}

bool write_guest_msr(Vcpu& vcpu, GuestRegs& regs)
{
    return write(vcpu, static_cast<u32>(regs.rcx), regs.rdx << 32 | static_cast<u32>(regs.rax));
}

}

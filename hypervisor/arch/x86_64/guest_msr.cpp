// The deed behind the decision of msr_policy.hpp: which MSR of the machine, or which part of the vCPU, is read or
// written.

#include "hypervisor/arch/x86_64/guest_msr.hpp"

#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/domain/hypercall_page.hpp"
#include "hypervisor/domain/msr_policy.hpp"
#include "hypervisor/domain/policies.hpp"

namespace xylem::arch {
namespace {

constexpr u32 msr_efer = 0xc0000080, msr_tsc_aux = 0xc0000103;

MsrContext context_of(const Vcpu& vcpu)
{
    MsrContext context{.policy = *vcpu.domain->policy};
    context.vcpu_id = vcpu.id.value;
    context.is_hardware_domain = vcpu.domain->is_hardware_domain;
    context.machine_efer = read_msr(msr_efer);
    return context;
}

bool machine_has_tsc_aux()
{
    const CpuPolicy& host = cpu_policies.host;
    return host.extended[1].d >> feature::rdtscp % 32 & 1 || host.feature[0].c >> feature::rdpid % 32 & 1;
}

u32 segment_base_msr(MsrOutcome outcome)
{
    return outcome == MsrOutcome::FsBase   ? msr_fs_base
           : outcome == MsrOutcome::GsBase ? msr_gs_base
                                           : msr_inactive_gs_base;
}

}

bool read_machine_msr(u32 index, u64& value)
{
    u32 low = 0, high = 0, ok = 0;
    asm volatile("1: rdmsr\n"
                 "   mov $1, %2\n"
                 "2:\n"
                 ".pushsection .ex_table, \"a\"\n"
                 ".quad 1b, 2b\n"
                 ".popsection\n"
                 : "+a"(low), "+d"(high), "+r"(ok)
                 : "c"(index));
    value = u64{high} << 32 | low;
    return ok;
}

void load_tsc_aux(const Vcpu& vcpu)
{
    if (machine_has_tsc_aux())
        write_msr(msr_tsc_aux, vcpu.msrs.tsc_aux);
}

bool read_guest_msr(Vcpu& vcpu, GuestRegs& regs)
{
    const u32 index = static_cast<u32>(regs.rcx);
    MsrContext context = context_of(vcpu);
    // A kernel that has no #GP handler yet would die of a probe.
    context.relaxed = vcpu.traps[vector_general_protection].address == 0;
    const MsrReply reply = xylem::read_guest_msr(index, context, vcpu.msrs);
    u64 value = reply.value, machines = 0;
    switch (reply.outcome) {
    case MsrOutcome::Done:
        break;
    case MsrOutcome::FsBase:
    case MsrOutcome::GsBase:
    case MsrOutcome::KernelGsBase:
        value = read_msr(segment_base_msr(reply.outcome));
        break;
    case MsrOutcome::Tsc:
        value = machine::tsc();
        break;
    case MsrOutcome::Host:
    case MsrOutcome::HostProbe:
        if (!read_machine_msr(index, machines))
            return false;
        value |= machines & reply.mask;
        break;
    case MsrOutcome::Fault:
    case MsrOutcome::HypercallPage: // of writes alone
        return false;
    }
    regs.rax = static_cast<u32>(value);
    regs.rdx = value >> 32;
    return true;
}

bool write_guest_msr(Vcpu& vcpu, GuestRegs& regs)
{
    const u32 index = static_cast<u32>(regs.rcx);
    const u64 value = regs.rdx << 32 | static_cast<u32>(regs.rax);
    const MsrReply reply = xylem::write_guest_msr(index, value, context_of(vcpu), vcpu.msrs);
    switch (reply.outcome) {
    case MsrOutcome::Done:
        if (index == msr_tsc_aux)
            load_tsc_aux(vcpu);
        return true;
    case MsrOutcome::FsBase:
    case MsrOutcome::GsBase:
    case MsrOutcome::KernelGsBase:
        write_msr(segment_base_msr(reply.outcome), value);
        return true;
    case MsrOutcome::HypercallPage:
        return write_hypercall_page(*vcpu.domain, mfn_of(MachineAddress(value))).ok();
    case MsrOutcome::HostProbe: {
        u64 unused;
        return read_machine_msr(index, unused);
    }
    case MsrOutcome::Tsc:
    case MsrOutcome::Host: // of reads alone
    case MsrOutcome::Fault:
        return false;
    }
    return false;
}

}

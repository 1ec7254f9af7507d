// Calls of which a PV guest or its tools may expect an answer, but no more than that. (docs/pv-abi.md 4.7 and 7)

#include "hypervisor/abi/mca.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {

/// No virtual performance counters.
i64 xenpmu_op(Vcpu&, Arguments&)
{
    return to_errno(Error::NotSupported);
}

static i64 for_the_privileged(const Domain& caller)
{
    return to_errno(caller.privileged() ? Error::NotImplemented : Error::NotPermitted);
}

i64 kexec_op(Vcpu& self, Arguments&)
{
    return for_the_privileged(*self.domain);
}

/// No tree of settings yet: tools take the answer for that.
i64 hypfs_op(Vcpu& self, Arguments&)
{
    return for_the_privileged(*self.domain);
}

namespace {

/// Who the processors are, as the machine-check logger of dom0 asks: all of one kind, in a row.
Result<void> physical_cpus(GuestInOut<abi::McaOp> argument, abi::McaOp& op)
{
    abi::McaPhyscpuinfo& request = op.u.mc_physcpuinfo;
    const u32 count = machine::cpu_count();
    if (!request.info.is_null()) {
        if (request.ncpus == 0)
            return Error::Invalid;
        const CpuPolicy& host = cpu_policies.host;
        for (u32 i = 0; i < count && i < request.ncpus; ++i) {
            abi::McaLogicalCpu cpu{};
            cpu.mc_cpunr = cpu.mc_chipid = i;
            cpu.mc_ncores = cpu.mc_ncores_active = cpu.mc_nthreads = 1;
            cpu.mc_apicid = machine::processor_ids(CpuId(i)).apic;
            cpu.mc_cpuid_level = static_cast<i32>(host.max_leaf());
            cpu.mc_family = (host.basic[1].a >> 8 & 0xf) + (host.basic[1].a >> 20 & 0xff);
            cpu.mc_model = (host.basic[1].a >> 4 & 0xf) | (host.basic[1].a >> 12 & 0xf0);
            cpu.mc_step = host.basic[1].a & 0xf;
            TRY(GuestOut<abi::McaLogicalCpu>(request.info.address).copy_out(cpu, i));
        }
    }
    request.ncpus = request.info.is_null() || request.ncpus > count ? count : request.ncpus;
    return argument.copy_out(op);
}

/// Machine checks stop the machine here, so nothing is ever kept to be fetched.
Result<void> fetch(GuestInOut<abi::McaOp> argument, abi::McaOp& op)
{
    op.u.mc_fetch.flags = abi::mc_nodata;
    return argument.copy_out(op);
}

}

i64 mca_op(Vcpu& self, Arguments& args)
{
    if (!self.domain->privileged())
        return to_errno(Error::NotPermitted);
    const GuestInOut<abi::McaOp> argument(args.a[0]);
    Result<abi::McaOp> op = argument.copy_in();
    if (!op.ok())
        return to_errno(Error::Fault);
    if (op.value().interface_version != abi::mca_interface_version)
        return to_errno(Error::Access);
    switch (op.value().cmd) {
    case abi::McaCmd::physcpuinfo:
        return to_wire(physical_cpus(argument, op.value()));
    case abi::McaCmd::fetch:
        return to_wire(fetch(argument, op.value()));
    default:
        return to_errno(Error::Invalid);
    }
}

}

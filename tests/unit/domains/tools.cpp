#include "tests/unit/domains/tools.hpp"

#include "hypervisor/sched/sched.hpp"

namespace xylem::test {
namespace {

/// The processors of the fake machine have something to run when there is nothing to run.
void have_idle_units()
{
    static Vcpu idle[2];
    static bool done = false;
    if (done)
        return;
    for (u32 cpu = 0; cpu < 2; ++cpu)
        sched::initialise_cpu(CpuId(cpu), idle[cpu].unit);
    done = true;
}

}

i64 call(Vcpu& vcpu, Handler handler, u64 a0, u64 a1, u64 a2, u64 a3)
{
    Arguments args{{a0, a1, a2, a3, 0, 0}};
    for (;;) {
        const i64 result = handler(vcpu, args);
        if (result != hypercall::preempted)
            return result;
    }
}

Tools::Tools()
{
    have_idle_units();
    FakeVcpuMachine::get() = FakeVcpuMachine{};
    dom0 = create_domain(DomId(0), Privilege::control, {.vcpus = 2}).value();
    dom0->memory.max_pages = 1000;
    self = create_vcpu(*dom0, VcpuId(0)).value();
    EXPECT_TRUE(create_vcpu(*dom0, VcpuId(1)).ok());
    EXPECT_TRUE(controller_unpause(*dom0).ok());
    self->initialised = 1;
    self->unit.down = false;
}

Tools::~Tools()
{
    session.machine.preempt_every(0);
    for (;;) {
        DomId id{};
        {
            const Result<DomainRef> guest = find_domain_from(DomId(1));
            if (!guest.ok())
                break;
            id = guest.value()->id;
        }
        destroy(id);
        if (find_domain(id).ok()) {
            ADD_FAILURE() << "domain " << id.value << " cannot end";
            break;
        }
    }
    const Result<DomainRef> last = find_domain(DomId(0));
    while (!end_domain(*dom0).ok()) {
    }
}

i64 Tools::domctl(abi::DomctlCmd cmd, DomId domain)
{
    op.cmd = cmd;
    op.interface_version = abi::domctl_interface_version;
    op.domain = domain.value;
    return call(*self, hypercall::domctl, at(op));
}

Domain& Tools::make_guest(unsigned vcpus, u64 pages, u16 id)
{
    op.u.createdomain = {};
    op.u.createdomain.max_vcpus = vcpus;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = 4;
    op.u.createdomain.max_maptrack_frames = 4;
    op.u.createdomain.grant_opts = 1;
    EXPECT_EQ(domctl(abi::DomctlCmd::createdomain, DomId(id)), 0);
    const DomId made(op.domain);
    op.u.max_vcpus.max = vcpus;
    EXPECT_EQ(domctl(abi::DomctlCmd::max_vcpus, made), 0);
    op.u.max_mem.max_memkb = pages * 4;
    EXPECT_EQ(domctl(abi::DomctlCmd::max_mem, made), 0);
    return *find_domain(made).value();
}

void Tools::destroy(DomId domain)
{
    EXPECT_EQ(domctl(abi::DomctlCmd::destroydomain, domain), 0);
}

Mfn Tools::root_for(Domain& domain)
{
    return mm::assign_new_frames(domain.memory, 0).value();
}

void Tools::fill(abi::VcpuGuestContext& context, Mfn root)
{
    context = {};
    context.flags = abi::vgcf_in_kernel | abi::vgcf_online;
    context.user_regs.rip = 0xffffffff81000000;
    context.user_regs.rsp = 0xffffffff82000000;
    context.user_regs.cs = 0x10;
    context.user_regs.ss = 0x18;
    context.user_regs.rflags = 0x1000;
    context.kernel_sp = 0xffffffff82000000;
    context.ctrlreg[3] = address_of(root).value;
}

abi::DomctlGetdomaininfo Tools::info(DomId domain)
{
    EXPECT_EQ(domctl(abi::DomctlCmd::getdomaininfo, domain), 0);
    return op.u.getdomaininfo;
}

}

// domctl: who may ask, in which order errors come, and each operation's answers. (docs/pv-abi.md 5.1, 5.3, 5.4)

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/hypercall/control_turn.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "tests/unit/domains/tools.hpp"

#include <cstring>
#include <thread>
#include <vector>

namespace xylem::test {
namespace {

using abi::DomctlCmd;

struct Domctl : Tools {
    Domain& guest = make_guest(2);
    Vcpu& vcpu = *guest.vcpus[0];
    i64 on_guest(DomctlCmd cmd) { return domctl(cmd, guest.id); }
};

TEST_F(Domctl, TheOrderOfErrorsIsVersionDomainPrivilegeOperation)
{
    EXPECT_EQ(call(*self, hypercall::domctl, 0x100), efault);
    op = {};
    op.interface_version = 1;
    op.domain = 77;
    EXPECT_EQ(call(vcpu, hypercall::domctl, at(op)), eacces);
    op.interface_version = abi::domctl_interface_version;
    EXPECT_EQ(call(vcpu, hypercall::domctl, at(op)), esrch) << "even for who may not";
    op.domain = domid_self.value;
    EXPECT_EQ(call(*self, hypercall::domctl, at(op)), esrch) << "no SELF here";
    op.domain = 0;
    EXPECT_EQ(call(vcpu, hypercall::domctl, at(op)), eperm);
    op.cmd = DomctlCmd(9999);
    EXPECT_EQ(call(*self, hypercall::domctl, at(op)), enosys);
    EXPECT_EQ(session.machine.log_lines().back(), "d0: domctl has no operation 9999");
    for (const DomctlCmd cmd : {DomctlCmd::createdomain, DomctlCmd::getdomaininfo}) {
        op.cmd = cmd;
        EXPECT_EQ(call(vcpu, hypercall::domctl, at(op)), eperm);
    }
}

// Two at once could wait for each other to stop. The second comes again.
TEST_F(Domctl, OneOperationAtATime)
{
    op.cmd = DomctlCmd::get_address_size;
    op.interface_version = abi::domctl_interface_version;
    op.domain = guest.id.value;
    Arguments args{{at(op)}};
    {
        const hypercall::ControlTurn other;
        EXPECT_EQ(hypercall::domctl(*self, args), hypercall::preempted);
        EXPECT_EQ(hypercall::domctl(vcpu, args), eperm) << "who may not is told at once";
    }
    EXPECT_EQ(hypercall::domctl(*self, args), 0);
}

TEST_F(Domctl, CreationRefusesWhatCannotBe)
{
    abi::DomctlCreatedomain good{};
    good.max_vcpus = 1;
    good.max_evtchn_port = 10;
    good.max_grant_frames = good.max_maptrack_frames = 1;
    good.grant_opts = 1;
    const auto refused = [&](auto change) {
        op.u.createdomain = good;
        change(op.u.createdomain);
        return domctl(DomctlCmd::createdomain, DomId(0));
    };
    EXPECT_EQ(refused([](auto& c) { c.flags = abi::cdf_hvm; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.flags = abi::cdf_iommu; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.flags = 1 << 20; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.grant_opts = 0; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.grant_opts = 0x11; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.max_vcpus = 0; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.max_vcpus = max_vcpus + 1; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.max_grant_frames = 0; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.max_grant_frames = 65; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.max_maptrack_frames = 1025; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.vmtrace_size = 1; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.cpupool_id = 1; }), esrch);
    EXPECT_EQ(refused([](auto& c) { c.arch.misc_flags = 2; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.arch.emulation_flags = 1 << 20; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.arch.emulation_flags = abi::x86_emu_lapic; }), eopnotsupp);
    EXPECT_EQ(refused([](auto& c) { c.max_grant_frames = c.max_maptrack_frames = -1; }), 0) << "-1: the most";
    EXPECT_EQ(find_domain(DomId(op.domain)).value()->grants.frame_limit, 64u);
}

TEST_F(Domctl, VcpusAreAsManyAsWereSaid)
{
    op.u.max_vcpus.max = 1;
    EXPECT_EQ(on_guest(DomctlCmd::max_vcpus), einval);
    op.u.max_vcpus.max = 2;
    EXPECT_EQ(on_guest(DomctlCmd::max_vcpus), 0) << "they are there already";
    EXPECT_EQ(guest.vcpus[0], &vcpu);
    EXPECT_EQ(info(guest.id).max_vcpu_id, 1u);
    EXPECT_EQ(op.u.getdomaininfo.nr_online_vcpus, 0u);
}

// ---- Contexts

TEST_F(Domctl, AContextIsTakenOnceAndThenOnlyRepeated)
{
    const Mfn root = root_for(guest), other = root_for(guest);
    abi::VcpuGuestContext context;
    fill(context, root);
    op.u.vcpucontext = {0, {at(context)}};
    ASSERT_EQ(on_guest(DomctlCmd::setvcpucontext), 0);
    EXPECT_EQ(vcpu.regs.cs, 0x13u) << "ring 3 always";
    EXPECT_EQ(vcpu.iopl, 1);
    EXPECT_FALSE(vcpu.unit.down);
    EXPECT_EQ(mm::page_type(root), mm::PageType::l4);
    EXPECT_EQ(on_guest(DomctlCmd::setvcpucontext), 0) << "as after a cancelled suspend";
    context.user_regs.rax = 1;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpucontext), 0);
    EXPECT_EQ(vcpu.regs.rax, 1u);
    context.ctrlreg[3] = address_of(other).value;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpucontext), eopnotsupp);
    context.ctrlreg[3] = address_of(root).value;
    context.ldt_ents = 1;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpucontext), eopnotsupp);

    abi::VcpuGuestContext read{};
    op.u.vcpucontext = {0, {at(read)}};
    ASSERT_EQ(on_guest(DomctlCmd::getvcpucontext), 0);
    EXPECT_EQ(read.user_regs.rip, context.user_regs.rip);
    EXPECT_EQ(read.ctrlreg[3], address_of(root).value);
    EXPECT_EQ(read.user_regs.rflags & 0x3000, 0x1000u);
    EXPECT_TRUE(read.flags & abi::vgcf_online);
    op.u.vcpucontext = {1, {at(read)}};
    EXPECT_EQ(on_guest(DomctlCmd::getvcpucontext), enodata);
    op.u.vcpucontext = {2, {at(read)}};
    EXPECT_EQ(on_guest(DomctlCmd::getvcpucontext), einval);
    EXPECT_EQ(domctl(DomctlCmd::setvcpucontext, DomId(0)), einval) << "oneself";
}

TEST_F(Domctl, BadContextsAreRefusedAndLeaveNothingTaken)
{
    const Mfn root = root_for(guest), gdt = root_for(guest);
    abi::VcpuGuestContext context;
    const auto refused = [&](auto change) {
        fill(context, root);
        change(context);
        op.u.vcpucontext = {0, {at(context)}};
        const i64 result = on_guest(DomctlCmd::setvcpucontext);
        EXPECT_EQ(mm::reference_count(root), 1u);
        EXPECT_EQ(mm::reference_count(gdt), 1u);
        EXPECT_FALSE(vcpu.initialised);
        return result;
    };
    constexpr u64 non_canonical = u64{1} << 60, in_hole = 0xffff800000000000;
    EXPECT_EQ(refused([](auto& c) { c.user_regs.rip = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.user_regs.rsp = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.kernel_sp = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.gs_base_user = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.event_callback_eip = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.trap_ctxt[255].address = non_canonical; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.ldt_ents = 1, c.ldt_base = in_hole; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.ldt_ents = 1, c.ldt_base = 0x12345; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.ldt_ents = 8193, c.ldt_base = 0x10000; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.vm_assist = u64{1} << 40; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.gdt_ents = 7169; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.flags &= ~abi::vgcf_in_kernel; }), einval);
    EXPECT_EQ(refused([](auto& c) { c.ctrlreg[3] = 0; }), einval);
    EXPECT_EQ(refused([&](auto& c) { c.gdt_ents = 1, c.gdt_frames[0] = gdt.value, c.ctrlreg[3] = 1 << 12; }), einval);
    EXPECT_EQ(refused([&](auto& c) { c.gdt_ents = 1, c.gdt_frames[0] = gdt.value, c.ctrlreg[1] = 1 << 12; }), einval);
}

// What a refused call has taken must not be what a later one runs on.
TEST_F(Domctl, ARefusedContextIsForgotten)
{
    const Mfn first = root_for(guest), second = root_for(guest);
    abi::VcpuGuestContext context;
    fill(context, first);
    context.ctrlreg[1] = 1 << 12; // no frame of its own
    op.u.vcpucontext = {0, {at(context)}};
    ASSERT_EQ(on_guest(DomctlCmd::setvcpucontext), einval);
    fill(context, second);
    ASSERT_EQ(on_guest(DomctlCmd::setvcpucontext), 0);
    EXPECT_EQ(vcpu.kernel_root, address_of(second).value);
    EXPECT_EQ(mm::reference_count(first), 1u);
}

TEST_F(Domctl, ValidationOfAContextsRootsMayBeInterruptedAnywhere)
{
    const Mfn root = root_for(guest), user = root_for(guest);
    for (unsigned slot = 0; slot < 40; ++slot)
        machine::map<u64>(root)[slot] = machine::map<u64>(user)[slot] =
            address_of(root_for(guest)).value | abi::pte::present | abi::pte::writable | abi::pte::user;
    abi::VcpuGuestContext context;
    fill(context, root);
    context.ctrlreg[1] = address_of(user).value;
    for (unsigned every : {1u, 2u, 3u}) {
        session.machine.preempt_every(every);
        op.u.vcpucontext = {0, {at(context)}};
        context.user_regs.rip = every == 3 ? context.user_regs.rip : u64{1} << 60;
        (void)on_guest(DomctlCmd::setvcpucontext);
        context.user_regs.rip = 0xffffffff81000000;
    }
    session.machine.preempt_every(1);
    ASSERT_EQ(on_guest(DomctlCmd::setvcpucontext), 0);
    EXPECT_EQ(vcpu.user_root, address_of(user).value);
    EXPECT_EQ(mm::type_count(root), 1u);
}

// A vCPU cannot be asked for its state while it asks: it would wait for itself for ever.
TEST_F(Domctl, NobodyReadsOrWritesTheStateOfTheVcpuThatAsks)
{
    FakeVcpuMachine::get().xsave_mask = 7;
    FakeVcpuMachine::get().xsave_bytes = 832;
    self->unit.on_cpu = true;
    std::vector<u64> buffer(200);
    op.u.vcpuextstate = {.vcpu = 0, .xfeature_mask = 0, .size = 16 + 832, .buffer = {at(buffer[0])}};
    EXPECT_EQ(domctl(DomctlCmd::getvcpuextstate, DomId(0)), einval);
    EXPECT_EQ(domctl(DomctlCmd::setvcpuextstate, DomId(0)), einval);
    EXPECT_EQ(domctl(DomctlCmd::getvcpucontext, DomId(0)), einval);
    ASSERT_TRUE(dom0->io_ports.add(0x300, 0x3ff).ok());
    op.u.ioport_permission = {0x300, 1, 1};
    EXPECT_EQ(domctl(DomctlCmd::ioport_permission, DomId(0)), 0) << "all its other vCPUs stand still";
    self->unit.on_cpu = false;
}

TEST_F(Domctl, ExtendedStateIsReadAndWrittenWhole)
{
    FakeVcpuMachine::get().xsave_mask = 7;
    FakeVcpuMachine::get().xsave_bytes = 832;
    op.u.vcpuextstate = {};
    ASSERT_EQ(on_guest(DomctlCmd::getvcpuextstate), 0);
    EXPECT_EQ(op.u.vcpuextstate.size, 848u);
    EXPECT_EQ(op.u.vcpuextstate.xfeature_mask, 7u);
    std::vector<u64> buffer(106, 0);
    static_cast<u8*>(vcpu.fpu)[100] = 42;
    op.u.vcpuextstate = {.vcpu = 0, .xfeature_mask = 0, .size = 847, .buffer = {at(buffer[0])}};
    EXPECT_EQ(on_guest(DomctlCmd::getvcpuextstate), einval);
    op.u.vcpuextstate.size = 848;
    ASSERT_EQ(on_guest(DomctlCmd::getvcpuextstate), 0);
    EXPECT_EQ(reinterpret_cast<u8*>(buffer.data())[116], 42);
    buffer[0] = buffer[1] = 7;
    op.u.vcpuextstate.vcpu = 1;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuextstate), 0);
    EXPECT_EQ(guest.vcpus[1]->xcr0, 7u);
    EXPECT_EQ(static_cast<u8*>(guest.vcpus[1]->fpu)[100], 42);
    buffer[0] = 0xff;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuextstate), einval);
    op.u.vcpuextstate.vcpu = 2;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuextstate), esrch);
    EXPECT_EQ(on_guest(DomctlCmd::getvcpuextstate), esrch);
}

// ---- Permissions

TEST_F(Domctl, OneGivesOnlyWhatOneHas)
{
    ASSERT_TRUE(dom0->io_ports.add(0x300, 0x3ff).ok());
    ASSERT_TRUE(dom0->irqs.add(5, 5).ok());
    ASSERT_TRUE(dom0->memory.io_memory.add(0xf0000, 0xf00ff).ok());
    op.u.ioport_permission = {0x3f0, 8, 1};
    EXPECT_EQ(on_guest(DomctlCmd::ioport_permission), 0);
    EXPECT_TRUE(guest.io_ports.contains(0x3f0, 0x3f7));
    EXPECT_TRUE(guest.memory.cache_control) << "who has hardware may choose caching";
    op.u.ioport_permission = {0x3f8, 16, 1};
    EXPECT_EQ(on_guest(DomctlCmd::ioport_permission), eperm);
    op.u.ioport_permission = {0xffff, 2, 1};
    EXPECT_EQ(on_guest(DomctlCmd::ioport_permission), einval);
    op.u.ioport_permission = {0x3f0, 8, 0};
    EXPECT_EQ(on_guest(DomctlCmd::ioport_permission), 0);
    EXPECT_FALSE(guest.memory.cache_control);
    op.u.irq_permission = {5, 1, {}};
    EXPECT_EQ(on_guest(DomctlCmd::irq_permission), 0);
    op.u.irq_permission = {6, 1, {}};
    EXPECT_EQ(on_guest(DomctlCmd::irq_permission), eperm);
    op.u.iomem_permission = {0xf0000, 0x10, 1};
    EXPECT_EQ(on_guest(DomctlCmd::iomem_permission), 0);
    op.u.iomem_permission = {~u64{0}, 2, 1};
    EXPECT_EQ(on_guest(DomctlCmd::iomem_permission), einval);
}

// A guest's processors look into these sets with no lock: while one changes they stand still.
TEST_F(Domctl, PermissionsChangeWhileTheTargetStandsStill)
{
    ASSERT_TRUE(dom0->io_ports.add(0x300, 0x3ff).ok());
    ASSERT_EQ(on_guest(DomctlCmd::unpausedomain), 0);
    session.machine.forget_events();
    vcpu.unit.on_cpu = true;
    vcpu.unit.down = false;
    std::thread processor([&] {
        while (atomic_load(&vcpu.unit.pause_count) == 0)
            std::this_thread::yield();
        EXPECT_TRUE(guest.io_ports.empty());
        atomic_store(&vcpu.unit.on_cpu, false);
    });
    op.u.ioport_permission = {0x3f0, 8, 1};
    EXPECT_EQ(on_guest(DomctlCmd::ioport_permission), 0);
    processor.join();
    EXPECT_EQ(vcpu.unit.pause_count, 0u);
    EXPECT_TRUE(guest.io_ports.contains(0x3f0));
}

// ---- The rest

TEST_F(Domctl, FrameTypesAsSaveWantsThem)
{
    const Mfn table = root_for(guest), plain = root_for(guest);
    ASSERT_TRUE(mm::pin(guest.memory, table, mm::PageType::l2).ok());
    std::vector<u64> list{table.value, plain.value, 5, dom0->shared_info_mfn.value};
    op.u.getpageframeinfo3 = {list.size(), {at(list[0])}};
    ASSERT_EQ(on_guest(DomctlCmd::getpageframeinfo3), 0);
    EXPECT_EQ(list, (std::vector<u64>{u64{abi::pfinfo_l2tab} | abi::pfinfo_lpintab, abi::pfinfo_notab, abi::pfinfo_xtab,
                                      abi::pfinfo_xtab}));
    op.u.getpageframeinfo3.num = 1025;
    EXPECT_EQ(on_guest(DomctlCmd::getpageframeinfo3), e2big);
    op.u.getpageframeinfo3 = {1, {0x100}};
    EXPECT_EQ(on_guest(DomctlCmd::getpageframeinfo3), efault);
}

TEST_F(Domctl, AffinityNeedsAProcessorThatRuns)
{
    u64 bits = 1, soft = 3;
    op.u.vcpuaffinity = {0, abi::vcpuaffinity_hard | abi::vcpuaffinity_soft, {{at(bits)}, 64}, {{at(soft)}, 64}};
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuaffinity), 0);
    bits = 0;
    EXPECT_EQ(on_guest(DomctlCmd::getvcpuaffinity), 0);
    EXPECT_EQ(bits, 1u);
    bits = 2;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuaffinity), einval);
    op.u.vcpuaffinity.flags = 0;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuaffinity), einval);
    op.u.vcpuaffinity.vcpu = 2;
    EXPECT_EQ(on_guest(DomctlCmd::setvcpuaffinity), einval);
    op.u.getvcpuinfo.vcpu = 2;
    EXPECT_EQ(on_guest(DomctlCmd::getvcpuinfo), einval);
    op.u.getvcpuinfo.vcpu = 1;
    EXPECT_EQ(on_guest(DomctlCmd::getvcpuinfo), 0);
    EXPECT_EQ(op.u.getvcpuinfo.online, 0);
}

TEST_F(Domctl, SchedulerWeightsAreKept)
{
    op.u.scheduler_op = {abi::SchedulerId::credit2, abi::DomctlSchedopCmd::putinfo, {.credit2 = {512, 50}}};
    EXPECT_EQ(on_guest(DomctlCmd::scheduler_op), 0);
    op.u.scheduler_op = {abi::SchedulerId::credit2, abi::DomctlSchedopCmd::getinfo, {}};
    EXPECT_EQ(on_guest(DomctlCmd::scheduler_op), 0);
    EXPECT_EQ(op.u.scheduler_op.u.credit2.weight, 512);
    EXPECT_EQ(op.u.scheduler_op.u.credit2.cap, 50);
    op.u.scheduler_op = {abi::SchedulerId::credit2, abi::DomctlSchedopCmd::putinfo, {.credit2 = {0, 201}}};
    EXPECT_EQ(on_guest(DomctlCmd::scheduler_op), einval);
    op.u.scheduler_op.sched_id = abi::SchedulerId::credit;
    EXPECT_EQ(on_guest(DomctlCmd::scheduler_op), einval);
}

TEST_F(Domctl, SmallOperationsAnswerAsTheAbiSays)
{
    const auto answer = [&](DomctlCmd cmd, auto fill_in) {
        op.u = {};
        fill_in(op.u);
        return on_guest(cmd);
    };
    EXPECT_EQ(answer(DomctlCmd::set_address_size, [](auto& u) { u.address_size.size = 64; }), 0);
    EXPECT_EQ(answer(DomctlCmd::set_address_size, [](auto& u) { u.address_size.size = 32; }), eopnotsupp);
    EXPECT_EQ(answer(DomctlCmd::set_address_size, [](auto& u) { u.address_size.size = 48; }), einval);
    EXPECT_EQ(answer(DomctlCmd::get_address_size, [](auto&) {}), 0);
    EXPECT_EQ(op.u.address_size.size, 64u);
    EXPECT_EQ(answer(DomctlCmd::settscinfo, [](auto& u) { u.tsc_info.tsc_mode = abi::TscMode::pvrdtscp; }), einval);
    EXPECT_EQ(answer(DomctlCmd::settscinfo, [](auto& u) { u.tsc_info.tsc_mode = abi::TscMode::never_emulate; }), 0);
    EXPECT_EQ(answer(DomctlCmd::gettscinfo, [](auto&) {}), 0);
    EXPECT_EQ(op.u.tsc_info.tsc_mode, abi::TscMode::never_emulate);
    EXPECT_EQ(answer(DomctlCmd::sendtrigger, [](auto& u) { u.sendtrigger = {abi::TriggerType::nmi, 1}; }), 0);
    EXPECT_EQ(guest.vcpus[1]->nmi_pending, 1);
    EXPECT_EQ(answer(DomctlCmd::sendtrigger, [](auto& u) { u.sendtrigger = {abi::TriggerType::power, 0}; }), einval);
    EXPECT_EQ(answer(DomctlCmd::sendtrigger, [](auto& u) { u.sendtrigger = {abi::TriggerType::nmi, 9}; }), esrch);
    EXPECT_EQ(answer(DomctlCmd::sendtrigger, [](auto& u) { u.sendtrigger = {abi::TriggerType::reset, 0}; }), enosys);
    EXPECT_EQ(answer(DomctlCmd::shadow_op, [](auto& u) { u.shadow_op.op = abi::ShadowCmd::enable_logdirty; }), einval);
    EXPECT_EQ(answer(DomctlCmd::shadow_op, [](auto& u) { u.shadow_op.op = abi::ShadowCmd::off; }), 0);
    EXPECT_EQ(answer(DomctlCmd::soft_reset, [](auto&) {}), einval);
    EXPECT_EQ(answer(DomctlCmd::assign_device, [](auto&) {}), enodev);
    EXPECT_EQ(answer(DomctlCmd::vm_event_op, [](auto&) {}), eopnotsupp);
    EXPECT_EQ(answer(DomctlCmd::setdebugging, [](auto&) {}), eopnotsupp);
    EXPECT_EQ(answer(DomctlCmd::set_virq_handler, [](auto& u) { u.set_virq_handler.virq = 24; }), einval);
    EXPECT_EQ(answer(DomctlCmd::set_virq_handler, [](auto& u) { u.set_virq_handler.virq = 0; }), einval) << "a vCPU's";
    EXPECT_EQ(answer(DomctlCmd::set_virq_handler, [](auto& u) { u.set_virq_handler.virq = 3; }), eopnotsupp);
    EXPECT_EQ(domctl(DomctlCmd::set_virq_handler, DomId(0)), 0);
    EXPECT_EQ(answer(DomctlCmd::settimeoffset, [](auto& u) { u.settimeoffset.time_offset_seconds = -100; }), 0);
    EXPECT_EQ(guest.shared_info->wc_sec, 1'700'000'000u - 100);
    u64 node = 1;
    EXPECT_EQ(answer(DomctlCmd::setnodeaffinity, [&](auto& u) { u.nodeaffinity.nodemap = {{at(node)}, 64}; }), 0);
    EXPECT_EQ(on_guest(DomctlCmd::getnodeaffinity), 0);
    node = 2;
    EXPECT_EQ(on_guest(DomctlCmd::setnodeaffinity), einval);
    EXPECT_EQ(answer(DomctlCmd::get_vcpu_msrs, [](auto&) {}), 0);
    EXPECT_EQ(answer(DomctlCmd::set_vcpu_msrs, [](auto& u) { u.vcpu_msrs.msr_count = 1; }), einval);
    EXPECT_EQ(answer(DomctlCmd::setdomainhandle, [](auto& u) { u.setdomainhandle.handle.bytes[3] = 9; }), 0);
    EXPECT_EQ(info(guest.id).handle.bytes[3], 9);
}

TEST_F(Domctl, ExtendedContextsAndTheHypercallPage)
{
    op.u.ext_vcpucontext = {};
    op.u.ext_vcpucontext.size = sizeof op.u.ext_vcpucontext;
    op.u.ext_vcpucontext.sysenter_callback_eip = 0x1000;
    op.u.ext_vcpucontext.sysenter_disables_events = 1;
    EXPECT_EQ(on_guest(DomctlCmd::set_ext_vcpucontext), 0);
    op.u.ext_vcpucontext = {};
    EXPECT_EQ(on_guest(DomctlCmd::get_ext_vcpucontext), 0);
    EXPECT_EQ(op.u.ext_vcpucontext.sysenter_callback_eip, 0x1000u);
    op.u.ext_vcpucontext.syscall32_callback_eip = u64{1} << 60;
    EXPECT_EQ(on_guest(DomctlCmd::set_ext_vcpucontext), einval);
    op.u.ext_vcpucontext.vcpu = 7;
    EXPECT_EQ(on_guest(DomctlCmd::set_ext_vcpucontext), esrch);
    EXPECT_EQ(domctl(DomctlCmd::set_ext_vcpucontext, DomId(0)), esrch) << "oneself";

    const Mfn page = root_for(guest), table = root_for(guest);
    op.u.hypercall_init.gmfn = page.value;
    EXPECT_EQ(on_guest(DomctlCmd::hypercall_init), 0);
    const u8* stub = machine::map(page) + 13 * 32;
    const u8 multicall[] = {0x51, 0x41, 0x53, 0xb8, 13, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
    EXPECT_EQ(memcmp(stub, multicall, sizeof multicall), 0);
    const u8 iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05};
    EXPECT_EQ(memcmp(machine::map(page) + 23 * 32, iret, sizeof iret), 0);
    ASSERT_TRUE(mm::pin(guest.memory, table, mm::PageType::l1).ok());
    op.u.hypercall_init.gmfn = table.value;
    EXPECT_EQ(on_guest(DomctlCmd::hypercall_init), eperm);
    op.u.hypercall_init.gmfn = 3;
    EXPECT_EQ(on_guest(DomctlCmd::hypercall_init), einval);
}

TEST_F(Domctl, APolicyIsSetBeforeTheStartAlone)
{
    op.u.cpu_policy = {};
    EXPECT_EQ(on_guest(DomctlCmd::get_cpu_policy), 0);
    EXPECT_EQ(op.u.cpu_policy.nr_leaves, 120u);
    EXPECT_EQ(op.u.cpu_policy.nr_msrs, 2u);
    op.u.cpu_policy = {};
    op.u.cpu_policy.nr_leaves = 121;
    EXPECT_EQ(on_guest(DomctlCmd::set_cpu_policy), e2big);
    abi::CpuidLeaf leaf{};
    leaf.leaf = 0x12345;
    leaf.subleaf = ~0u;
    op.u.cpu_policy = {};
    op.u.cpu_policy.nr_leaves = 1;
    op.u.cpu_policy.leaves.address = at(leaf);
    EXPECT_EQ(on_guest(DomctlCmd::set_cpu_policy), -34);
    EXPECT_EQ(op.u.cpu_policy.err_leaf, 0x12345u);
    EXPECT_EQ(domctl(DomctlCmd::set_cpu_policy, DomId(0)), einval);
    ASSERT_EQ(on_guest(DomctlCmd::unpausedomain), 0);
    EXPECT_EQ(on_guest(DomctlCmd::set_cpu_policy), eexist);
}

}
}

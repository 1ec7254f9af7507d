// The small families: the table and multicall, xen_version, console_io, trap tables and callbacks, vm_assist, a vCPU's
// own registers, and those that are refused; and the PIT that every domain finds.

#include "hypervisor/abi/features.hpp"
#include "hypervisor/abi/hvm.hpp"
#include "hypervisor/abi/mca.hpp"
#include "hypervisor/abi/version.hpp"
#include "hypervisor/abi/xylem.hpp"
#include "hypervisor/core/build_info.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/hypercall/control_turn.hpp"
#include "hypervisor/hypercall/table.hpp"
#include "tests/unit/domains/tools.hpp"

#include <cstring>
#include <memory>
#include <vector>

namespace xylem::test {
namespace {

constexpr u64 non_canonical = u64{1} << 60;

struct SmallOps : Tools {
    Domain& guest = make_guest();
    Vcpu& vcpu = *guest.vcpus[0];
};

// ---- The table

TEST_F(SmallOps, WhatIsNotInTheTableAnswersEnosysWithALineASecond)
{
    auto& lines = session.machine.log_lines();
    lines.clear();
    Arguments args{};
    session.machine.advance(2'000'000'000);
    for (int i = 0; i < 5; ++i)
        for (u64 number : {u64{11}, u64{31}, u64{39}, u64{43}, u64{63}, u64{64}, u64{1} << 40})
            EXPECT_EQ(hypercall::call(vcpu, number, args), enosys) << number;
    EXPECT_EQ(lines.size(), 1u);
    EXPECT_NE(lines[0].find("hypercall 11"), std::string::npos) << lines[0];
    session.machine.advance(1'000'000'000);
    EXPECT_EQ(call(vcpu, hypercall::sched_op, 99), enosys);
    EXPECT_EQ(call(vcpu, hypercall::sched_op, 99), enosys);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_NE(lines[1].find("sched_op has no operation 99"), std::string::npos) << lines[1];
    session.machine.advance(1'000'000'000);
    EXPECT_EQ(hypercall::call(vcpu, 27, args), enosys);
    EXPECT_EQ(lines.size(), 2u) << "xsm_op is asked at every turn";
}

TEST_F(SmallOps, RefusedFamiliesAnswerAsThePublicAbiHasIt)
{
    EXPECT_EQ(call(*self, hypercall::xenpmu_op, 4), eopnotsupp);
    for (const auto family : {hypercall::kexec_op, hypercall::hypfs_op}) {
        EXPECT_EQ(call(*self, family, 0), enosys);
        EXPECT_EQ(call(vcpu, family, 0), eperm);
    }
}

TEST_F(SmallOps, WhatIsForHvmGuestsIsRefusedAsXenRefusesPvGuests)
{
    const auto hvm_op = [&](Vcpu& caller, abi::HvmCmd command, u64 argument) {
        return call(caller, hypercall::hvm_op, static_cast<u64>(command), argument);
    };
    using abi::HvmCmd;
    constexpr abi::RawDomId nobody = 77;
    for (const HvmCmd command : {HvmCmd::set_param, HvmCmd::get_param}) {
        abi::HvmParam param{abi::domid_self, 0, 1, 0};
        EXPECT_EQ(hvm_op(vcpu, command, at(param)), einval);
        EXPECT_EQ(hvm_op(vcpu, command, non_canonical), efault);
        param.domid = nobody;
        EXPECT_EQ(hvm_op(vcpu, command, at(param)), esrch);
        param.index = abi::hvm_nr_params;
        EXPECT_EQ(hvm_op(vcpu, command, at(param)), einval);
    }
    for (const HvmCmd command : {HvmCmd::flush_tlbs, HvmCmd::set_evtchn_upcall_vector})
        EXPECT_EQ(hvm_op(vcpu, command, 0), einval);
    abi::HvmGetMemType type{0, 0, {}, 0}; // dom0's
    EXPECT_EQ(hvm_op(vcpu, HvmCmd::get_mem_type, at(type)), eperm);
    EXPECT_EQ(hvm_op(*self, HvmCmd::get_mem_type, at(type)), einval);
    abi::HvmPagetableDying dying{0, {}, 0};
    EXPECT_EQ(hvm_op(vcpu, HvmCmd::pagetable_dying, at(dying)), eopnotsupp);
    EXPECT_EQ(hvm_op(*self, HvmCmd::pagetable_dying, at(dying)), einval);
    EXPECT_EQ(hvm_op(vcpu, HvmCmd::altp2m, 0), eopnotsupp);
    EXPECT_EQ(hvm_op(vcpu, HvmCmd::guest_request_vm_event, 0), 0);
    EXPECT_EQ(hvm_op(vcpu, HvmCmd::guest_request_vm_event, 1), einval);
    EXPECT_EQ(hvm_op(vcpu, HvmCmd(2), 0), enosys);
}

TEST_F(SmallOps, AnyGuestMayAskForTheTimeAndTraceIntoNothing)
{
    const auto hvm_op = [&](abi::HvmCmd command, u64 argument) {
        return call(vcpu, hypercall::hvm_op, static_cast<u64>(command), argument);
    };
    session.machine.advance(1'000'000'007);
    abi::HvmGetTime time{};
    EXPECT_EQ(hvm_op(abi::HvmCmd::get_time, at(time)), 0);
    EXPECT_EQ(time.now, static_cast<u64>(machine::now().value));
    EXPECT_EQ(hvm_op(abi::HvmCmd::get_time, non_canonical), efault);
    abi::HvmXentrace record{1, 28, {}};
    EXPECT_EQ(hvm_op(abi::HvmCmd::xentrace, at(record)), 0);
    record.extra_bytes = 29;
    EXPECT_EQ(hvm_op(abi::HvmCmd::xentrace, at(record)), einval);
    record = {0x1000, 0, {}};
    EXPECT_EQ(hvm_op(abi::HvmCmd::xentrace, at(record)), einval);
}

TEST_F(SmallOps, DeviceModelsHaveNobodyToServe)
{
    const abi::DmOpBuf buffers[3] = {};
    const auto dm_op = [&](Vcpu& caller, u64 domid, u64 count, u64 list) {
        return call(caller, hypercall::dm_op, domid, count, list);
    };
    const u64 own = guest.id.value;
    EXPECT_EQ(dm_op(vcpu, own, 0, at(buffers)), enodata);
    EXPECT_EQ(dm_op(vcpu, own, 3, at(buffers)), e2big);
    EXPECT_EQ(dm_op(vcpu, own, 2, non_canonical), efault);
    EXPECT_EQ(dm_op(vcpu, own, 1, at(buffers)), eperm);
    EXPECT_EQ(dm_op(vcpu, abi::domid_self, 1, at(buffers)), esrch);
    EXPECT_EQ(dm_op(vcpu, 77, 1, at(buffers)), esrch);
    EXPECT_EQ(dm_op(vcpu, 0, 1, at(buffers)), einval);
    EXPECT_EQ(dm_op(*self, own, 1, at(buffers)), einval);
}

TEST_F(SmallOps, MachineChecksAreDom0s)
{
    const auto request = std::make_unique<abi::McaOp>();
    EXPECT_EQ(call(vcpu, hypercall::mca_op, at(*request)), eperm);
    EXPECT_EQ(call(*self, hypercall::mca_op, 0x100), efault);
    EXPECT_EQ(call(*self, hypercall::mca_op, at(*request)), eacces);
    request->interface_version = abi::mca_interface_version;
    request->cmd = abi::McaCmd(77);
    EXPECT_EQ(call(*self, hypercall::mca_op, at(*request)), einval);
    request->cmd = abi::McaCmd::physcpuinfo;
    request->u.mc_physcpuinfo = {};
    EXPECT_EQ(call(*self, hypercall::mca_op, at(*request)), 0);
    EXPECT_EQ(request->u.mc_physcpuinfo.ncpus, 1u);
    abi::McaLogicalCpu cpu{};
    request->u.mc_physcpuinfo.info.address = at(cpu);
    EXPECT_EQ(call(*self, hypercall::mca_op, at(*request)), 0);
    EXPECT_EQ(cpu.mc_ncores, 1u);
    request->u.mc_physcpuinfo.ncpus = 0;
    EXPECT_EQ(call(*self, hypercall::mca_op, at(*request)), einval);
}

// ---- multicall

struct Multicalls : SmallOps {
    std::vector<abi::MulticallEntry> list;
    void add(u64 number, std::initializer_list<u64> args = {})
    {
        abi::MulticallEntry entry{};
        entry.op = number;
        entry.result = 0x5a5a;
        std::copy(args.begin(), args.end(), entry.args);
        list.push_back(entry);
    }
    i64 multicall() { return call(vcpu, hypercall::multicall, at(list[0]), list.size()); }
};

TEST_F(Multicalls, EachEntryGetsItsResultAndNothingElseIsWritten)
{
    add(17, {0});       // xen_version
    add(13, {0, 0});    // itself
    add(11, {1, 2, 3}); // none
    add(5, {1});        // fpu_taskswitch
    const auto before = list;
    EXPECT_EQ(multicall(), 0);
    EXPECT_EQ(list[0].result, u64{4} << 16 | 17);
    EXPECT_EQ(static_cast<i64>(list[1].result), einval);
    EXPECT_EQ(static_cast<i64>(list[2].result), enosys);
    EXPECT_EQ(list[3].result, 0u);
    EXPECT_EQ(vcpu.ts_virtual, 1);
    for (size_t i = 0; i < list.size(); ++i) {
        EXPECT_EQ(list[i].op, before[i].op);
        EXPECT_EQ(memcmp(list[i].args, before[i].args, sizeof before[i].args), 0);
    }
    EXPECT_EQ(call(vcpu, hypercall::multicall, 0x100, 1), efault);
    EXPECT_EQ(call(vcpu, hypercall::multicall, guest_low_end - 64, 2), efault);
    EXPECT_EQ(call(vcpu, hypercall::multicall, 0x100, 0), 0);
}

TEST_F(Multicalls, GoOnWhereTheyWereInterrupted)
{
    for (u64 i = 0; i < 50; ++i)
        add(3, {0x18, 0x10000 + i * 16}); // stack_switch
    session.machine.preempt_every(1);
    Arguments args{{at(list[0]), list.size()}};
    unsigned issued = 1;
    while (hypercall::multicall(vcpu, args) == hypercall::preempted)
        ++issued;
    EXPECT_EQ(issued, 50u);
    for (const auto& entry : list)
        EXPECT_EQ(entry.result, 0u);
    EXPECT_EQ(vcpu.kernel_sp, 0x10000u + 49 * 16);
}

// The guest is elsewhere after an iret: what stands behind it in the list is not done (XSA-213).
TEST_F(Multicalls, EndWithAnIretAtWhateverPlaceItStands)
{
    for (size_t place = 0; place < 4; ++place) {
        list.clear();
        vcpu.ts_virtual = 0;
        for (size_t i = 0; i < 4; ++i)
            i == place ? add(23) : add(5, {i + 1});
        EXPECT_EQ(multicall(), 0x1234) << "what the guest's frame says of rax";
        for (size_t i = 0; i < 4; ++i)
            EXPECT_EQ(list[i].result, i < place ? 0u : 0x5a5au) << place << ' ' << i;
    }
}

// ---- xen_version

struct Versions : SmallOps {
    i64 version(Vcpu& caller, abi::VersionCmd cmd, u64 argument = 0)
    {
        return call(caller, hypercall::xen_version, static_cast<u64>(cmd), argument);
    }
};

TEST_F(Versions, FeaturesAreThoseOfAPvGuest)
{
    EXPECT_EQ(version(vcpu, abi::VersionCmd::version), 4 << 16 | 17);
    abi::FeatureInfo info{};
    ASSERT_EQ(version(vcpu, abi::VersionCmd::get_features, at(info)), 0);
    EXPECT_EQ(info.submap, 1u << 5 | 1u << 6 | 1u << 7 | 1u << 13 | 1u << 17);
    guest.vm_assist |= 1 << 3;
    ASSERT_EQ(version(vcpu, abi::VersionCmd::get_features, at(info)), 0);
    EXPECT_TRUE(info.submap & 1u << 4);
    ASSERT_EQ(version(*self, abi::VersionCmd::get_features, at(info)), 0);
    EXPECT_TRUE(info.submap & 1u << 11);
    info.submap_idx = 1;
    EXPECT_EQ(version(vcpu, abi::VersionCmd::get_features, at(info)), einval);
}

TEST_F(Versions, SomeAnswersAreForThePrivilegedAlone)
{
    const BuildInfo saved = build_info;
    const u8 id[20] = {1, 2, 3};
    build_info.command_line = "dom0_mem=768M";
    build_info.id = id;
    build_info.id_size = sizeof id;
    abi::Commandline line{};
    EXPECT_EQ(version(vcpu, abi::VersionCmd::commandline, at(line)), 0);
    EXPECT_STREQ(line.text, "<denied>");
    EXPECT_EQ(version(*self, abi::VersionCmd::commandline, at(line)), 0);
    EXPECT_STREQ(line.text, "dom0_mem=768M");
    EXPECT_EQ(version(vcpu, abi::VersionCmd::build_id), eperm);
    EXPECT_EQ(version(*self, abi::VersionCmd::build_id), 20);
    struct {
        abi::BuildId header{};
        u8 bytes[20] = {};
    } answer;
    EXPECT_EQ(version(*self, abi::VersionCmd::build_id, at(answer)), einval);
    answer.header.len = 19;
    EXPECT_EQ(version(*self, abi::VersionCmd::build_id, at(answer)), enobufs);
    answer.header.len = 20;
    EXPECT_EQ(version(*self, abi::VersionCmd::build_id, at(answer)), 20);
    EXPECT_EQ(answer.bytes[2], 3);
    build_info.id_size = 0;
    EXPECT_EQ(version(*self, abi::VersionCmd::build_id), enodata);
    build_info = saved;
}

TEST_F(Versions, TextsAndNumbers)
{
    abi::CapabilitiesInfo capabilities{};
    EXPECT_EQ(version(vcpu, abi::VersionCmd::capabilities, at(capabilities)), 0);
    EXPECT_STREQ(capabilities.text, "xen-3.0-x86_64 ");
    abi::PlatformParameters parameters{};
    EXPECT_EQ(version(vcpu, abi::VersionCmd::platform_parameters, at(parameters)), 0);
    EXPECT_EQ(parameters.virt_start, 0xffff800000000000);
    EXPECT_EQ(version(vcpu, abi::VersionCmd::pagesize), 4096);
    EXPECT_EQ(version(vcpu, abi::VersionCmd::pagesize, 1), einval);
    EXPECT_EQ(version(vcpu, abi::VersionCmd::extraversion, 0x100), efault);
    EXPECT_EQ(version(vcpu, abi::VersionCmd(11)), enosys);
    guest.handle[0] = 0xab;
    abi::DomainHandle handle{};
    EXPECT_EQ(version(vcpu, abi::VersionCmd::guest_handle, at(handle)), 0);
    EXPECT_EQ(handle.bytes[0], 0xab);
}

// ---- console_io

TEST_F(SmallOps, TheConsoleIsDom0sAndLongTextsAreInterrupted)
{
    std::string text(1000, 'x');
    EXPECT_EQ(call(vcpu, hypercall::console_io, 0, text.size(), at(text[0])), eperm);
    session.machine.preempt_every(1);
    EXPECT_EQ(call(*self, hypercall::console_io, 0, text.size(), at(text[0])), 0);
    EXPECT_EQ(FakeVcpuMachine::get().console_output, text);
    EXPECT_EQ(call(*self, hypercall::console_io, 0, 10, 0x100), efault);
    EXPECT_EQ(call(*self, hypercall::console_io, 1, u64{1} << 31, at(text[0])), e2big);
    EXPECT_EQ(call(*self, hypercall::console_io, 7, 10, at(text[0])), enosys);
    FakeVcpuMachine::get().console_input = "hello";
    EXPECT_EQ(call(*self, hypercall::console_io, 1, 3, at(text[0])), 3);
    EXPECT_EQ(call(*self, hypercall::console_io, 1, 300, at(text[0])), 2);
    EXPECT_EQ(text.substr(0, 2), "lo");
}

// ---- Traps and callbacks

TEST_F(SmallOps, TrapTablesAreMergedUntilTheFirstWithoutAnAddress)
{
    const auto traps = [&](u64 address) { return call(vcpu, hypercall::set_trap_table, address); };
    std::vector<abi::TrapInfo> table{{13, 4, 0x10, 0x1000}, {14, 4, 0x10, 0x2000}, {0, 0, 0, 0}};
    EXPECT_EQ(traps(at(table[0])), 0);
    EXPECT_EQ(vcpu.traps[14].address, 0x2000u);
    EXPECT_EQ(vcpu.traps[14].cs, 0x13);
    table = {{3, 3, 0x10, 0x3000}, {0, 0, 0, 0}};
    EXPECT_EQ(traps(at(table[0])), 0);
    EXPECT_EQ(vcpu.traps[13].address, 0x1000u) << "what was there stays";
    table = {{4, 3, 0x10, 0x4000}, {5, 3, 0x10, non_canonical}, {0, 0, 0, 0}};
    EXPECT_EQ(traps(at(table[0])), einval);
    EXPECT_EQ(vcpu.traps[4].address, 0x4000u) << "earlier ones stay";
    EXPECT_EQ(traps(0x100), efault);
    table.assign(600, {7, 0, 0x10, 0x7000});
    EXPECT_EQ(traps(at(table[0])), einval) << "no end in sight";
    EXPECT_EQ(traps(0), 0);
    EXPECT_EQ(vcpu.traps[13].address, 0u);
}

TEST_F(SmallOps, CallbacksByType)
{
    const auto add = [&](u16 type, u16 flags, u64 address) {
        abi::CallbackRegister request{static_cast<abi::CallbackType>(type), flags, address};
        return call(vcpu, hypercall::callback_op, 0, at(request));
    };
    const auto remove = [&](u16 type) {
        abi::CallbackUnregister request{static_cast<abi::CallbackType>(type), 0};
        return call(vcpu, hypercall::callback_op, 1, at(request));
    };
    EXPECT_EQ(add(0, 0, 0x1000), 0);
    EXPECT_EQ(vcpu.event_callback.masks_events, 1) << "always";
    EXPECT_EQ(add(2, 1, 0x2000), 0);
    EXPECT_EQ(vcpu.syscall_masks_events, 1);
    EXPECT_EQ(add(7, 1, 0x3000), 0);
    EXPECT_EQ(add(5, 0, 0x4000), 0);
    EXPECT_EQ(add(4, 0, 0x5000), 0);
    EXPECT_EQ(vcpu.traps[2].address, 0x5000u);
    EXPECT_EQ(add(1, 0, non_canonical), einval);
    EXPECT_EQ(add(3, 0, 0x1000), enosys);
    EXPECT_EQ(add(6, 0, 0x1000), enosys);
    EXPECT_EQ(remove(4), 0);
    EXPECT_EQ(vcpu.traps[2].address, 0u);
    EXPECT_EQ(remove(0), einval);
    EXPECT_EQ(remove(6), enosys);
    EXPECT_EQ(call(vcpu, hypercall::callback_op, 2, 0x100), enosys);
    EXPECT_EQ(call(vcpu, hypercall::callback_op, 0, 0x100), efault);
    EXPECT_EQ(call(vcpu, hypercall::set_callbacks, 0x6000, non_canonical, 0x7000), 0)
        << "what is refused is passed over";
    EXPECT_EQ(vcpu.syscall_callback, 0x7000u);
    EXPECT_EQ(vcpu.syscall_masks_events, 0) << "flags are clear in this form";
}

TEST_F(SmallOps, AssistsAreKnownOnesAlone)
{
    for (u32 type : {0u, 1u, 2u, 3u, 4u, 5u, 32u}) {
        EXPECT_EQ(call(vcpu, hypercall::vm_assist, 0, type), 0) << type;
        EXPECT_TRUE(guest.vm_assist >> type & 1);
        EXPECT_EQ(call(vcpu, hypercall::vm_assist, 1, type), 0) << type;
    }
    EXPECT_EQ(guest.vm_assist, 0u);
    EXPECT_EQ(call(vcpu, hypercall::vm_assist, 0, 6), einval);
    EXPECT_EQ(call(vcpu, hypercall::vm_assist, 0, 64), einval);
    EXPECT_EQ(call(vcpu, hypercall::vm_assist, 2, 0), enosys);
    EXPECT_EQ(call(vcpu, hypercall::vm_assist, 2, 6), einval) << "the type comes first";
}

// ---- A vCPU's registers

TEST_F(SmallOps, SegmentBasesAndStacks)
{
    const auto base = [&](u64 which, u64 value) { return call(vcpu, hypercall::set_segment_base, which, value); };
    EXPECT_EQ(base(0, 0x1000), 0);
    EXPECT_EQ(vcpu.fs_base, 0x1000u);
    EXPECT_EQ(base(2, 0xffffffff80000000), 0);
    EXPECT_EQ(base(1, non_canonical), einval);
    EXPECT_EQ(base(3, 0xffff), 0) << "a bad selector is no error";
    EXPECT_EQ(base(4, 0), einval);
    EXPECT_EQ(call(vcpu, hypercall::stack_switch, 0x18, 0x12345), 0);
    EXPECT_EQ(vcpu.kernel_ss, 0x1bu);
    EXPECT_EQ(vcpu.bounce_sp, 0x12340u);
    // Where a frame would touch our hole, or wrap, there is no short way.
    for (u64 sp : {u64{0}, u64{63}, u64{0xffff800000000000}, u64{0xffff880000000030}, non_canonical}) {
        EXPECT_EQ(call(vcpu, hypercall::stack_switch, 0x18, sp), 0) << "never fails";
        EXPECT_EQ(vcpu.bounce_sp, 0u) << std::hex << sp;
    }
}

TEST_F(SmallOps, DebugRegistersTakeWhatCannotWatchUs)
{
    const auto set = [&](u64 reg, u64 value) { return call(vcpu, hypercall::set_debugreg, reg, value); };
    const auto get = [&](u64 reg) { return call(vcpu, hypercall::get_debugreg, reg); };
    EXPECT_EQ(set(0, 0x1000), 0);
    EXPECT_EQ(get(0), 0x1000);
    EXPECT_EQ(set(3, 0xffff800000000000), eperm);
    EXPECT_EQ(set(6, u64{1} << 32), einval);
    EXPECT_EQ(set(6, 0), 0);
    EXPECT_EQ(get(6), 0xffff0ff0);
    EXPECT_EQ(set(4, 0x1000), 0);
    EXPECT_EQ(get(4), 0xffff0ff0) << "bit 12 is always 0";
    EXPECT_EQ(set(7, 0), 0);
    EXPECT_EQ(get(7), 0x400);
    EXPECT_EQ(set(7, 0x2000), eperm) << "GD";
    EXPECT_EQ(set(7, 0x20001), eperm) << "a breakpoint on I/O";
    EXPECT_EQ(set(5, 1), 0);
    EXPECT_EQ(get(7), 0x401);
    EXPECT_EQ(FakeVcpuMachine::get().debug_registers_loaded.back(), 0x401u);
    EXPECT_EQ(set(7, 0x200000), 0) << "nothing is enabled";
    EXPECT_EQ(set(7, 0x200001), eperm) << "of another one, that is not";
    EXPECT_EQ(set(8, 0), enodev);
    EXPECT_EQ(set(~u64{0}, 0), enodev);
    EXPECT_EQ(get(8), enodev);
    vcpu.cr4 |= 8; // DE
    EXPECT_EQ(set(4, 0), enodev);
    EXPECT_EQ(get(5), enodev);
}

TEST_F(SmallOps, BreakpointsOnPortsAreOursToLookAfter)
{
    const auto set = [&](u64 reg, u64 value) { return call(vcpu, hypercall::set_debugreg, reg, value); };
    constexpr u64 first = 1, second = 1 << 2, first_on_ports = 2 << 16, first_two_bytes = 1 << 18;
    vcpu.cr4 |= 8; // DE
    EXPECT_EQ(set(0, 0x61), 0);
    EXPECT_EQ(set(7, first | second | first_on_ports), 0);
    EXPECT_EQ(call(vcpu, hypercall::get_debugreg, 7), 0x400 | first | second | first_on_ports);
    EXPECT_EQ(processor_dr7(vcpu), 0x400 | second | first_on_ports) << "the processor has the other one alone";
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x61, 1), 1u);
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x60, 2), 1u);
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x60, 1), 0u);
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x62, 4), 0u);
    EXPECT_EQ(set(7, first | first_on_ports | first_two_bytes), 0);
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x60, 1), 1u) << "two bytes, aligned";
    EXPECT_EQ(set(7, second | first_on_ports), 0);
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x61, 1), 0u) << "not enabled";
    EXPECT_EQ(set(7, first | first_on_ports), 0);
    vcpu.cr4 &= ~u64{8};
    EXPECT_EQ(port_breakpoints_hit(vcpu, 0x61, 1), 0u);
}

// ---- The audit

TEST_F(SmallOps, TheAuditIsForThePrivilegedAndFindsNothing)
{
    std::string text(1000, ' ');
    abi::XylemOp request{};
    request.cmd = abi::XylemCmd::audit;
    request.text.address = at(text[0]);
    request.size = static_cast<u32>(text.size());
    EXPECT_EQ(call(vcpu, hypercall::xylem_op, at(request)), eperm);
    EXPECT_EQ(call(*self, hypercall::xylem_op, 0x100), efault);
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), 0) << text.substr(0, request.length);
    Arguments args{{at(request)}};
    {
        const hypercall::ControlTurn other;
        EXPECT_EQ(hypercall::xylem_op(*self, args), hypercall::preempted) << "it stops the world: one at a time";
    }
    request.flags = 1;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), einval);
}

TEST_F(SmallOps, ThePrivilegedMaySeeWhatAVcpuDidWithItsTime)
{
    abi::XylemVcpuStates request{};
    request.cmd = abi::XylemCmd::vcpu_states;
    request.domain = vcpu.domain->id.value;
    EXPECT_EQ(call(vcpu, hypercall::xylem_op, at(request)), eperm);
    vcpu.unit.time_in[1] = 123'456'789;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), 0);
    EXPECT_GE(request.ns[1], 123'456'789u);
    request.vcpu = 63;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), -2) << "ENOENT";
    request.vcpu = ~0U;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), -2);
    request.domain = 1000;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), -3) << "ESRCH";
    request.flags = 1;
    EXPECT_EQ(call(*self, hypercall::xylem_op, at(request)), einval);
}

// ---- The PIT

TEST(PitTest, Channel2CountsDownWhileItsGateIsOpen)
{
    Pit pit;
    Nanoseconds now(1'000'000'000);
    const auto read = [&] {
        pit.write_command(0x80, now); // latch
        const u16 low = pit.read_counter(now);
        return static_cast<u16>(low | pit.read_counter(now) << 8);
    };
    pit.write_command(0xb0, now);
    pit.write_counter(0xff, now);
    pit.write_counter(0xff, now);
    now = now + 10'000'000;
    EXPECT_EQ(read(), 0xffff) << "its gate is closed";
    EXPECT_EQ(pit.read_gate(now) & 0x20, 0);
    pit.write_gate(1, now);
    now = now + 10'000'000; // ten milliseconds are 11931 ticks
    EXPECT_EQ(read(), 0xffff - 11931);
    EXPECT_EQ(pit.read_gate(now) & 0x21, 1);
    now = now + 50'000'000;
    EXPECT_EQ(pit.read_gate(now) & 0x20, 0x20) << "it has run out";
    pit.write_command(0x30, now); // channel 0 is not there
    now = now + i64{3'600'000'000'000} * 24 * 365;
    EXPECT_EQ(pit.read_gate(now) & 0x20, 0x20) << "and stays so, for years";
}

}
}

// vcpu_op: run states, timers' errors, where vcpu_info and the time lie; and a second vCPU brought up, if there is one.

#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"

#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;
using abi::Runstate;
using abi::VcpuCmd;

namespace {

i64 vcpu_op(VcpuCmd cmd, u64 vcpu, u64 argument = 0)
{
    return hypercall(HypercallNumber::vcpu_op, static_cast<u64>(cmd), vcpu, argument);
}

/// Whether the time for which vCPU 0 ran has grown a millisecond after `before`: real Xen may say 0 in its first
/// instant.
bool time_grows_after(const abi::VcpuRunstateInfo& before)
{
    const u64 end = system_time() + millisecond;
    while (system_time() < end) {
    }
    abi::VcpuRunstateInfo after{};
    EXPECT(vcpu_op(VcpuCmd::get_runstate_info, 0, address_of(after)), 0);
    return after.time[0] > before.time[0];
}

void states()
{
    EXPECT(vcpu_op(VcpuCmd::is_up, 0), 1);
    EXPECT_ERROR(vcpu_op(VcpuCmd::is_up, 1000), noent);
    EXPECT_ERROR(vcpu_op(static_cast<VcpuCmd>(14), 0), nosys);
    abi::VcpuRunstateInfo info{};
    EXPECT(vcpu_op(VcpuCmd::get_runstate_info, 0, address_of(info)), 0);
    EXPECT_TRUE(info.state == Runstate::running);
    EXPECT_TRUE(time_grows_after(info));
    EXPECT_ERROR(vcpu_op(VcpuCmd::get_runstate_info, 0, 0x5000), fault);
    static abi::VcpuRunstateInfo area;
    abi::VcpuRegisterRunstateMemoryArea where{{address_of(area)}};
    EXPECT(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, address_of(where)), 0);
    EXPECT_TRUE(area.state == Runstate::running && area.state_entry_time != 0); // written at once
    static abi::VcpuTimeInfo time;
    abi::VcpuRegisterTimeMemoryArea second{{address_of(time)}};
    EXPECT(vcpu_op(VcpuCmd::register_vcpu_time_memory_area, 0, address_of(second)), 0);
    EXPECT(time.tsc_to_system_mul, shared_info().vcpu_info[0].time.tsc_to_system_mul);
}

void timers()
{
    abi::VcpuSetPeriodicTimer period{999'999};
    EXPECT_ERROR(vcpu_op(VcpuCmd::set_periodic_timer, 0, address_of(period)), inval);
    period.period_ns = 10'000'000;
    EXPECT(vcpu_op(VcpuCmd::set_periodic_timer, 0, address_of(period)), 0);
    EXPECT(vcpu_op(VcpuCmd::stop_periodic_timer, 0), 0);
    EXPECT_ERROR(vcpu_op(VcpuCmd::set_singleshot_timer, 0, 0x5000), fault);
    EXPECT(vcpu_op(VcpuCmd::stop_singleshot_timer, 0), 0);
}

/// vCPU 0's moves to a page of ours, once.
void move_vcpu_info()
{
    auto* page = static_cast<char*>(allocate_page());
    abi::VcpuRegisterVcpuInfo request{mfn_of_address(page), 4, 0};
    const auto call = [&] { return vcpu_op(VcpuCmd::register_vcpu_info, 0, address_of(request)); };
    EXPECT_ERROR(call(), nxio);
    request.offset = 4040;
    EXPECT_ERROR(call(), nxio);
    request = {mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)), 0, 0};
    EXPECT_ERROR(call(), inval);
    request = {mfn_of_address(page), 64, 0};
    EXPECT(call(), 0);
    const auto* info = reinterpret_cast<abi::VcpuInfo*>(page + 64);
    EXPECT(info->evtchn_pending_sel, ~u64{0});
    EXPECT(info->evtchn_upcall_pending, 1);
    EXPECT(info->evtchn_upcall_mask, 1);
    EXPECT_TRUE(info->time.tsc_to_system_mul != 0);
    EXPECT_ERROR(call(), inval);
    EXPECT(make_read_only(page), 0);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::pin_l1_table, mfn_of_address(page)), inval); // the hypervisor writes to it
}

volatile u64 second_runs, second_sees;
alignas(16) char second_stack[4096];

[[noreturn]] void second_main(u64 argument)
{
    second_sees = argument;
    second_runs = 1;
    vcpu_op(VcpuCmd::down, 1);
    second_runs = 2;
    vcpu_op(VcpuCmd::down, 1);
    for (;;)
        hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::block));
}

bool comes_true(volatile u64& word, u64 wanted)
{
    for (unsigned tries = 0; tries < 100'000 && word != wanted; ++tries)
        hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
    return word == wanted;
}
bool goes_down()
{
    for (unsigned tries = 0; tries < 100'000; ++tries)
        if (vcpu_op(VcpuCmd::is_up, 1) == 0)
            return true;
    return false;
}
/// is_up tells what shall be; the run state changes when the processor has left the vCPU, which may be a moment later.
bool comes_to_rest()
{
    for (unsigned tries = 0; tries < 100'000; ++tries) {
        abi::VcpuRunstateInfo info{};
        if (vcpu_op(VcpuCmd::get_runstate_info, 1, address_of(info)) == 0 && info.state == Runstate::offline)
            return true;
    }
    return false;
}

void second_vcpu()
{
    const i64 up = vcpu_op(VcpuCmd::is_up, 1);
    if (up == -static_cast<i64>(abi::Errno::noent))
        return skip("there is one vCPU only");
    EXPECT(up, 0);
    EXPECT_ERROR(vcpu_op(VcpuCmd::up, 1), inval); // it has no state yet
    static abi::VcpuGuestContext context;
    context.flags = abi::vgcf_in_kernel;
    context.user_regs.cs = abi::flat_ring3_cs64;
    context.user_regs.ss = abi::flat_ring3_ss64;
    context.user_regs.rflags = 0x200;
    context.user_regs.rip = reinterpret_cast<u64>(second_main);
    context.user_regs.rsp = reinterpret_cast<u64>(second_stack + sizeof second_stack - 8);
    context.user_regs.rdi = 4711;
    context.kernel_ss = abi::flat_ring3_ss64;
    context.kernel_sp = context.user_regs.rsp;
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    const auto initialise = [&] { return vcpu_op(VcpuCmd::initialise, 1, address_of(context)); };
    context.ctrlreg[3] = mfn_of_address(second_stack) << page_shift;
    EXPECT_ERROR(initialise(), inval); // no root table
    context.ctrlreg[3] = root << page_shift;
    context.user_regs.rip = u64{1} << 60;
    EXPECT_ERROR(initialise(), inval);
    context.user_regs.rip = reinterpret_cast<u64>(second_main);
    context.gdt_ents = 8193;
    EXPECT_ERROR(initialise(), inval);
    context.gdt_ents = 0;
    EXPECT(initialise(), 0);
    EXPECT_ERROR(initialise(), exist);
    EXPECT(vcpu_op(VcpuCmd::is_up, 1), 0);
    EXPECT(vcpu_op(VcpuCmd::up, 1), 0);
    EXPECT_TRUE(comes_true(second_runs, 1));
    EXPECT(second_sees, 4711);
    EXPECT_TRUE(goes_down());
    EXPECT_TRUE(comes_to_rest());
    EXPECT(vcpu_op(VcpuCmd::up, 1), 0);
    EXPECT_TRUE(comes_true(second_runs, 2));
    EXPECT_TRUE(goes_down());
    abi::VcpuSetSingleshotTimer shot{1, 0};
    EXPECT_ERROR(vcpu_op(VcpuCmd::set_singleshot_timer, 1, address_of(shot)), inval);
}

}

void xylem_main()
{
    states();
    timers();
    second_vcpu();
    move_vcpu_info();
    finish_test();
}

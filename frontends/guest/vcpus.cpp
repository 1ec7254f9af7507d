// See vcpus.hpp. A vCPU knows its number by its GS base; while only the first runs, nobody looks there, so that a
// program may do with GS what it likes.

#include "frontends/guest/vcpus.hpp"

#include "frontends/guest/internal.hpp"
#include "frontends/guest/memory.hpp"
#include "hypervisor/abi/vcpu.hpp"

extern "C" char guest_event_entry[], guest_syscall_entry[], guest_failsafe_entry[];

namespace xylem::guest {
namespace {

struct PerVcpu {
    u64 number;
    void (*function)(void*);
    void* argument;
    char* stack; // lowest address; null: never started
};

constexpr u64 stack_pages = 16;

PerVcpu per_vcpu[max_vcpus];
bool several;

i64 vcpu_op(abi::VcpuCmd cmd, u64 number, u64 argument = 0)
{
    return hypercall(abi::HypercallNumber::vcpu_op, static_cast<u64>(cmd), number, argument);
}

[[noreturn]] void run(PerVcpu* self)
{
    for (;;) { // one that is started again goes on behind its `down`
        self->function(self->argument);
        vcpu_op(abi::VcpuCmd::down, self->number);
    }
}

void look_at_numbers()
{
    if (several)
        return;
    hypercall(abi::HypercallNumber::set_segment_base, static_cast<u64>(abi::SegmentBase::gs_kernel),
              address_of(per_vcpu[0]));
    several = true;
}

/// Where it begins: at run(), on its own stack, in our page tables, with our traps.
void describe(PerVcpu& self, abi::VcpuGuestContext& context)
{
    const u64 stack_end = reinterpret_cast<u64>(self.stack + (stack_pages << page_shift));
    context = {};
    context.flags = abi::vgcf_in_kernel;
    context.user_regs.cs = abi::flat_ring3_cs64;
    context.user_regs.ss = abi::flat_ring3_ss64;
    context.user_regs.rflags = 0x200;
    context.user_regs.rip = reinterpret_cast<u64>(run);
    context.user_regs.rsp = stack_end - 8; // as if called
    context.user_regs.rdi = address_of(self);
    context.kernel_ss = abi::flat_ring3_ss64;
    context.kernel_sp = stack_end;
    context.gs_base_kernel = address_of(self);
    context.ctrlreg[3] = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)) << page_shift;
    context.event_callback_eip = reinterpret_cast<u64>(guest_event_entry);
    context.failsafe_callback_eip = reinterpret_cast<u64>(guest_failsafe_entry);
    context.syscall_callback_eip = reinterpret_cast<u64>(guest_syscall_entry);
    fill_trap_table(context.trap_ctxt);
}

}

unsigned vcpus()
{
    unsigned count = 0;
    while (count < max_vcpus && vcpu_op(abi::VcpuCmd::is_up, count) >= 0)
        ++count;
    return count;
}

unsigned current_vcpu()
{
    if (!several)
        return 0;
    u64 number;
    asm volatile("mov %%gs:0, %0" : "=r"(number));
    return static_cast<unsigned>(number);
}

abi::VcpuInfo& current_vcpu_info()
{
    return shared_info().vcpu_info[current_vcpu()];
}

bool vcpu_is_down(unsigned number)
{
    abi::VcpuRunstateInfo info{};
    return vcpu_op(abi::VcpuCmd::get_runstate_info, number, address_of(info)) != 0 ||
           info.state == abi::Runstate::offline;
}

Result<void> start_vcpu(unsigned number, void (*function)(void*), void* argument)
{
    if (number == 0 || number >= vcpus())
        return Error::NoEntry;
    if (!vcpu_is_down(number))
        return Error::Busy;
    look_at_numbers();
    PerVcpu& self = per_vcpu[number];
    const bool first_time = !self.stack;
    if (first_time && !(self.stack = static_cast<char*>(allocate_pages(stack_pages))))
        return Error::NoMemory;
    self.number = number;
    self.function = function;
    self.argument = argument;
    static abi::VcpuGuestContext context;
    describe(self, context);
    if (first_time)
        TRY(to_result(vcpu_op(abi::VcpuCmd::initialise, number, address_of(context))));
    return to_result(vcpu_op(abi::VcpuCmd::up, number));
}

void relax()
{
    hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
}

void SpinLock::lock()
{
    while (__atomic_exchange_n(&held_, true, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&held_, __ATOMIC_RELAXED))
            relax();
}

}

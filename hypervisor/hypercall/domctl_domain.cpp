// domctl on a domain as a whole: its life, its limits, what is known of it. (docs/pv-abi.md 5.3, 5.4)

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/hypercall_page.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/bitmap.hpp"
#include "hypervisor/hypercall/domctl.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem::hypercall {
namespace {

u32 state_flags(const Domain& domain)
{
    u32 flags = 0;
    bool any_online = false, any_running = false, all_blocked = true;
    for (const Vcpu* vcpu : domain.vcpus) {
        if (!vcpu || vcpu->unit.down)
            continue;
        any_online = true;
        any_running |= vcpu->unit.on_cpu && vcpu->unit.state == sched::RunState::running;
        all_blocked &= vcpu->unit.blocked;
    }
    if (any_online && any_running)
        flags |= abi::dominf_running;
    else if (any_online && all_blocked)
        flags |= abi::dominf_blocked;
    if (domain.life == LifeState::dead)
        flags |= abi::dominf_dying;
    if (domain.shut_down)
        flags |= abi::dominf_shutdown;
    if (domain.controller_pauses)
        flags |= abi::dominf_paused;
    return flags | u32{domain.shutdown_code} << abi::dominf_shutdownshift;
}

unsigned machine_address_bits()
{
    return 64 - static_cast<unsigned>(__builtin_clzll(address_of(machine::max_mfn).value - 1));
}

/// A range [first, first + count) in `set` of the target is given or taken; who gives must have it. The target's vCPUs
/// look into the set with no lock: they stand still meanwhile.
Result<void> permit(DomctlCall& call, const mm::RangeSet& own, mm::RangeSet& set, u64 first, u64 count, bool allow)
{
    if (count == 0)
        return {};
    const u64 last = first + count - 1;
    if (last < first)
        return Error::Invalid;
    if (!own.contains(first, last))
        return Error::NotPermitted;
    const Standstill standstill(call);
    return allow ? set.add(first, last) : set.remove(first, last);
}

void note_hardware_use(Domain& domain)
{
    domain.memory.cache_control = !domain.memory.io_memory.empty() || !domain.io_ports.empty();
}

}

abi::DomctlGetdomaininfo domain_info(Domain& domain)
{
    abi::DomctlGetdomaininfo info{};
    info.domain = domain.id.value;
    info.flags = state_flags(domain);
    info.tot_pages = domain.memory.total_pages;
    info.max_pages = domain.memory.max_pages;
    info.outstanding_pages = domain.memory.claimed_pages;
    info.shared_info_frame = domain.shared_info_mfn.value;
    info.max_vcpu_id = abi::invalid_max_vcpu_id;
    for (const Vcpu* vcpu : domain.vcpus) {
        if (!vcpu)
            continue;
        info.max_vcpu_id = vcpu->id.value;
        info.nr_online_vcpus += !vcpu->unit.down;
        info.cpu_time += sched::account(vcpu->unit).time_in[static_cast<unsigned>(sched::RunState::running)];
    }
    __builtin_memcpy(info.handle.bytes, domain.handle, sizeof info.handle.bytes);
    info.cpupool = domain.cpupool;
    info.gpaddr_bits = static_cast<u8>(machine_address_bits());
    return info;
}

namespace domctl_ops {

Result<void> destroydomain(DomctlCall& call)
{
    if (call.on_self())
        return Error::Invalid;
    return end_domain(call.target);
}

Result<void> pausedomain(DomctlCall& call)
{
    if (call.on_self())
        return Error::Invalid;
    controller_pause(call.target);
    return {};
}

Result<void> unpausedomain(DomctlCall& call)
{
    return controller_unpause(call.target);
}

Result<void> resumedomain(DomctlCall& call)
{
    if (call.on_self())
        return Error::Invalid;
    resume_domain(call.target);
    return {};
}

Result<void> max_vcpus(DomctlCall& call)
{
    Domain& domain = call.target;
    if (call.on_self() || !call.on_living() || call.op.u.max_vcpus.max != domain.vcpu_limit)
        return Error::Invalid;
    for (u32 id = 0; id < domain.vcpu_limit; ++id)
        if (!domain.vcpus[id])
            TRY(create_vcpu(domain, VcpuId(id)));
    return {};
}

Result<void> max_mem(DomctlCall& call)
{
    LockGuard guard(call.target.memory.lock);
    call.target.memory.max_pages = call.op.u.max_mem.max_memkb >> (page_shift - 10);
    return {};
}

Result<void> setdomainhandle(DomctlCall& call)
{
    __builtin_memcpy(call.target.handle, call.op.u.setdomainhandle.handle.bytes, sizeof call.target.handle);
    return {};
}

Result<void> setdebugging(DomctlCall& call)
{
    return call.on_self() ? Error::Invalid : Error::NotSupported;
}

Result<void> settimeoffset(DomctlCall& call)
{
    call.target.wallclock_offset = call.op.u.settimeoffset.time_offset_seconds;
    update_wall_clock(call.target);
    return {};
}

Result<void> subscribe(DomctlCall& call)
{
    call.target.suspend_port = call.op.u.subscribe.port;
    return {};
}

Result<void> set_virq_handler(DomctlCall& call)
{
    if (call.op.u.set_virq_handler.virq >= abi::nr_virqs ||
        !event_channels::virq_is_global(call.op.u.set_virq_handler.virq))
        return Error::Invalid;
    // Global virtual interrupts go to the control domain; there is no other to hand them to yet.
    return call.target.privileged() ? Result<void>() : Error::NotSupported;
}

Result<void> set_address_size(DomctlCall& call)
{
    switch (call.op.u.address_size.size) {
    case 64:
        return {};
    case 32:
        return call.target.memory.total_pages ? Error::Access : Error::NotSupported;
    default:
        return Error::Invalid;
    }
}

Result<void> get_address_size(DomctlCall& call)
{
    call.op.u.address_size.size = 64;
    call.copy_back = true;
    return {};
}

Result<void> hypercall_init(DomctlCall& call)
{
    return write_hypercall_page(call.target, Mfn(call.op.u.hypercall_init.gmfn));
}

Result<void> settscinfo(DomctlCall& call)
{
    if (call.on_self())
        return Error::Invalid;
    if (static_cast<u32>(call.op.u.tsc_info.tsc_mode) > static_cast<u32>(abi::TscMode::never_emulate))
        return Error::Invalid;
    call.target.tsc_mode = static_cast<u32>(call.op.u.tsc_info.tsc_mode);
    return {};
}

Result<void> gettscinfo(DomctlCall& call)
{
    if (call.on_self())
        return Error::Invalid;
    abi::DomctlTscInfo& info = call.op.u.tsc_info;
    info = {};
    info.tsc_mode = static_cast<abi::TscMode>(call.target.tsc_mode);
    info.gtsc_khz = machine::time_scale().khz;
    info.elapsed_nsec = static_cast<u64>(machine::now().value);
    call.copy_back = true;
    return {};
}

Result<void> setnodeaffinity(DomctlCall& call)
{
    // One node: a map that has it is as good as any, one that has not names no memory.
    const u64 nodes = TRY(copy_bitmap_in(call.op.u.nodeaffinity.nodemap));
    return nodes & 1 ? Result<void>() : Error::Invalid;
}

Result<void> getnodeaffinity(DomctlCall& call)
{
    return copy_bitmap_out(call.op.u.nodeaffinity.nodemap, 1);
}

Result<void> scheduler_op(DomctlCall& call)
{
    abi::DomctlSchedulerOp& op = call.op.u.scheduler_op;
    if (op.sched_id != abi::SchedulerId::credit2)
        return Error::Invalid;
    Domain& domain = call.target;
    switch (op.cmd) {
    case abi::DomctlSchedopCmd::putinfo:
        if (op.u.credit2.cap != u16(~0) && op.u.credit2.cap > 100 * domain.vcpu_limit)
            return Error::Invalid;
        if (op.u.credit2.weight)
            domain.weight = op.u.credit2.weight;
        if (op.u.credit2.cap != u16(~0))
            domain.cap = op.u.credit2.cap;
        return {};
    case abi::DomctlSchedopCmd::getinfo:
        op.u.credit2 = {domain.weight, domain.cap};
        call.copy_back = true;
        return {};
    default:
        return Error::Invalid;
    }
}

Result<void> irq_permission(DomctlCall& call)
{
    const abi::DomctlIrqPermission& op = call.op.u.irq_permission;
    return permit(call, call.self.domain->irqs, call.target.irqs, op.pirq, 1, op.allow_access);
}

Result<void> iomem_permission(DomctlCall& call)
{
    const abi::DomctlIomemPermission& op = call.op.u.iomem_permission;
    TRY(permit(call, call.self.domain->memory.io_memory, call.target.memory.io_memory, op.first_mfn, op.nr_mfns,
               op.allow_access));
    note_hardware_use(call.target);
    return {};
}

Result<void> ioport_permission(DomctlCall& call)
{
    const abi::DomctlIoportPermission& op = call.op.u.ioport_permission;
    if (u64{op.first_port} + op.nr_ports > 65536)
        return Error::Invalid;
    TRY(permit(call, call.self.domain->io_ports, call.target.io_ports, op.first_port, op.nr_ports, op.allow_access));
    note_hardware_use(call.target);
    return {};
}

Result<void> getpageframeinfo3(DomctlCall& call)
{
    const abi::DomctlGetpageframeinfo3& op = call.op.u.getpageframeinfo3;
    constexpr u64 most = 1024;
    if (op.num > most)
        return Error::TooBig;
    const GuestInOut<abi::RawFrame> list(op.array.address);
    for (u64 i = 0; i < op.num; ++i) {
        const Mfn mfn(TRY(list.copy_in(i)));
        u64 type = abi::pfinfo_xtab;
        Result<mm::PageRef> page = mm::get_page(mfn, call.target.id);
        if (page.ok()) {
            const mm::PageType frame_type = mm::page_type(mfn);
            type = mm::is_page_table(frame_type) && (mm::is_validated(mfn) || mm::is_pinned(mfn))
                       ? u64{mm::level_of(frame_type)} << 28
                       : u64{abi::pfinfo_notab};
            if (mm::is_pinned(mfn))
                type |= abi::pfinfo_lpintab;
        }
        TRY(list.copy_out(type, i));
    }
    return {};
}

/// No shadow paging: log-dirty cannot be switched on, and there is nothing to switch off.
Result<void> shadow_op(DomctlCall& call)
{
    return call.op.u.shadow_op.op == abi::ShadowCmd::off ? Result<void>() : Error::Invalid;
}

}
}

// xylem_op, our own hypercall: the audit of the whole machine, and what vCPUs have done with their time.
// (hypervisor/abi/xylem.hpp)
//
// For the audit all vCPUs but the caller's are stopped meanwhile, so that nothing changes under the walk. It takes as
// long as it takes: it is for tests and for operators who look for a fault.

#include "hypervisor/abi/xylem.hpp"

#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/hypercall/control_turn.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/audit.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem::hypercall {
namespace {

constexpr size_t text_capacity = 64 << 10;

/// Calls `visit` for each domain.
template <typename Visit> void for_each_domain(Visit visit)
{
    for (DomId from(0);;) {
        Result<DomainRef> domain = find_domain_from(from);
        if (!domain.ok())
            return;
        visit(*domain.value());
        from = domain.value()->id + 1;
    }
}

/// All other vCPUs of the machine stand still while this lives.
class StoppedWorld {
public:
    explicit StoppedWorld(Vcpu& self) : self_(self)
    {
        each([](Vcpu& vcpu) { sched::pause_and_wait(vcpu.unit); });
    }
    ~StoppedWorld()
    {
        each([](Vcpu& vcpu) { sched::resume(vcpu.unit); });
    }
    StoppedWorld(const StoppedWorld&) = delete;
    StoppedWorld& operator=(const StoppedWorld&) = delete;

private:
    template <typename Visit> void each(Visit visit)
    {
        for_each_domain([&](Domain& domain) {
            for (Vcpu* vcpu : domain.vcpus)
                if (vcpu && vcpu != &self_)
                    visit(*vcpu);
        });
    }
    Vcpu& self_;
};

void expect_vcpu(mm::Audit& audit, const Vcpu& vcpu)
{
    for (u64 root : {vcpu.kernel_root, vcpu.user_root})
        if (root)
            audit.expect_typed(mfn_of(MachineAddress(root)), mm::PageType::l4, "a vCPU's root");
    for (u64 i = 0; i < pages_for(u64{vcpu.gdt_entries} * sizeof(u64)); ++i)
        audit.expect_typed(Mfn(vcpu.gdt_frames[i]), mm::PageType::segment_descriptors, "a GDT");
    for (u32 i = 0; i < vcpu.next_gdt_pages; ++i)
        audit.expect_typed(Mfn(vcpu.next_gdt_frames[i]), mm::PageType::segment_descriptors, "a GDT to come");
    for (unsigned i = mm::window_gdt_pages; vcpu.window && i < mm::window_entries; ++i)
        if (mm::is_present(vcpu.window[i]))
            audit.expect_typed(mm::target_of(vcpu.window[i]), mm::PageType::segment_descriptors, "an LDT");
    if (vcpu.vcpu_info_mfn != invalid_mfn.value)
        audit.expect_typed(Mfn(vcpu.vcpu_info_mfn), mm::PageType::writable, "a vcpu_info");
}

void expect_events(mm::Audit& audit, const Domain& domain)
{
    const event_channels::Table& table = domain.events;
    if (!table.fifo)
        return;
    for (u32 i = 0; i < table.fifo->page_count; ++i)
        audit.expect_typed(machine::mfn_of_mapped(table.fifo->pages[i]), mm::PageType::writable,
                           "a page of event words");
    for (const event_channels::VcpuEvents* vcpu : table.vcpus)
        if (vcpu && vcpu->control_block)
            audit.expect_typed(machine::mfn_of_mapped(vcpu->control_block), mm::PageType::writable,
                               "an event control block");
}

/// How often grants are in use, by the count of the granters that live, and by the handles. Handles may also have
/// grants of the dead, whose frames they keep.
struct GrantUses {
    u64 by_granters = 0, by_handles = 0;
};

void expect_grants(mm::Audit& audit, mm::AuditReport& report, Domain& domain, GrantUses& uses)
{
    uses.by_granters += grant_tables::count_uses(domain.grants);
    for (u32 handle = 0;; ++handle) {
        const Result<grant_tables::HeldFrame> held = grant_tables::held_frame(domain.grants, handle);
        if (held == Error::Invalid)
            return;
        if (!held.ok())
            continue;
        const Mfn mfn = held.value().mfn;
        uses.by_handles += held.value().halves;
        if (!held.value().pinned)
            report.violation(5, "handle {} of domain {} is of a grant that is not in use", handle, domain.id);
        if (held.value().writable_type)
            audit.expect_typed(mfn, mm::PageType::writable, "a grant handle");
        else
            audit.expect_reference(mfn, "a grant handle");
        if (mm::is_ram(mfn))
            audit.expect_granted(domain.memory, mm::frame(mfn).owner);
    }
}

Result<void> audit_machine(Vcpu& self, mm::AuditReport& report)
{
    mm::Audit audit(report);
    TRY(audit.prepare());
    const StoppedWorld stopped(self);
    GrantUses uses;
    for_each_domain([&](Domain& domain) {
        for (const Vcpu* vcpu : domain.vcpus)
            if (vcpu)
                expect_vcpu(audit, *vcpu);
        if (domain.pirq_eoi_frame != invalid_mfn)
            audit.expect_typed(domain.pirq_eoi_frame, mm::PageType::writable, "a map of interrupts to end");
        expect_events(audit, domain);
        expect_grants(audit, report, domain, uses);
    });
    if (uses.by_granters > uses.by_handles)
        report.violation(5, "grants are in use {} times, but handles account for {}", uses.by_granters,
                         uses.by_handles);
    for_each_domain([&](Domain& domain) { audit.walk(domain.memory); });
    audit.check();
    return {};
}

Result<i64> audit(Vcpu& self, GuestInOut<abi::XylemOp> argument, abi::XylemOp op)
{
    const ControlTurn turn;
    if (!turn.ours())
        return Error::Preempted;
    char* text = static_cast<char*>(mm::allocate_bytes(text_capacity));
    Result<void> result = text ? Result<void>{} : Error::NoMemory;
    mm::AuditReport report(text, text_capacity);
    if (result.ok())
        result = audit_machine(self, report);
    op.length = report.length();
    if (result.ok()) {
        const size_t kept = report.length() < text_capacity ? report.length() : text_capacity;
        result = GuestOut<char>(op.text.address).copy_out_array(text, kept < op.size ? kept : op.size);
    }
    if (result.ok())
        result = argument.copy_out(op);
    if (text)
        mm::free_bytes(text);
    TRY(result);
    return static_cast<i64>(report.violations());
}

Result<i64> vcpu_states(GuestInOut<abi::XylemVcpuStates> argument)
{
    abi::XylemVcpuStates op = TRY(argument.copy_in());
    const DomainRef domain = TRY(find_domain(DomId(op.domain)));
    const Vcpu* vcpu = domain->vcpu(VcpuId(op.vcpu));
    if (!vcpu)
        return Error::NoEntry;
    const sched::Account account = sched::account(vcpu->unit);
    for (unsigned state = 0; state < 4; ++state)
        op.ns[state] = account.time_in[state];
    TRY(argument.copy_out(op));
    return i64{0};
}

Result<i64> operate(Vcpu& self, u64 address)
{
    if (!self.domain->privileged())
        return Error::NotPermitted;
    const GuestInOut<abi::XylemOp> argument(address);
    const abi::XylemOp op = TRY(argument.copy_in());
    if (op.flags != 0)
        return Error::Invalid;
    switch (op.cmd) {
    case abi::XylemCmd::audit:
        return audit(self, argument, op);
    case abi::XylemCmd::vcpu_states:
        return vcpu_states(GuestInOut<abi::XylemVcpuStates>(address));
    }
    return Error::NotImplemented;
}

}

i64 xylem_op(Vcpu& self, Arguments& args)
{
    const Result<i64> result = operate(self, args.a[0]);
    if (result == Error::Preempted)
        return preempted;
    return result.ok() ? result.value() : to_errno(result.error());
}

}

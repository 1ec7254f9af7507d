// The table of domains, and the steps of a domain's life.
//
// References: the list holds one from creation until the end; the domain's frames hold one together, as long as
// somebody still refers to any of them (a backend that maps a page keeps the rest of a dead domain in being, as a
// zombie); each DomainRef holds one. The last put frees the struct.

#include "hypervisor/domain/lifecycle.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/sched.hpp"
#include "hypervisor/abi/xylem.hpp"
#include "hypervisor/core/irq.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/domain/watchdog.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/sched/sched.hpp"

#include <string.h>

namespace xylem {

static_assert(max_vcpus == abi::most_vcpus_on_xylem);

namespace {

SpinLock list_lock{LockRank::domain_list};
Domain* first_domain;
DomId last_given_out{0};
Domain* control;

/// Where a vCPU beyond those of shared_info has its info until it registers one: what is written there is nobody's.
abi::VcpuInfo unregistered_info;

/// With list_lock held: the link that points, or would point, to the domain with this id.
Domain** link_of(DomId id)
{
    Domain** link = &first_domain;
    while (*link && (*link)->id < id)
        link = &(*link)->next;
    return link;
}

/// The frames of a dying domain have all gone.
void memory_gone(mm::Owner& owner)
{
    Domain& domain = *reinterpret_cast<Domain*>(reinterpret_cast<char*>(&owner) - offsetof(Domain, memory));
    if (!atomic_exchange(&domain.memory_gone, true))
        domain_put(domain);
}

Result<void> allocate_shared_info(Domain& domain)
{
    // Below 4 GiB, as 32-bit tools and older guests expect.
    domain.shared_info_mfn = TRY(mm::allocate_frames(0, 32));
    domain.shared_info = machine::map<abi::SharedInfo>(domain.shared_info_mfn);
    for (auto& info : domain.shared_info->vcpu_info)
        info.evtchn_upcall_mask = 1;
    return mm::share_hypervisor_frame(domain.memory, domain.shared_info_mfn, mm::Writable::yes);
}

Result<void> build(Domain& domain, const DomainLimits& limits)
{
    domain.memory.perdomain_l3 = TRY(mm::allocate_frame());
    TRY(allocate_shared_info(domain));
    event_channels::initialise(domain.events, domain.id, limits.event_ports, domain.shared_info, domain.memory);
    TRY(domain.grants.initialise(domain.id, domain.memory, limits.grant_frames, limits.maptrack_frames));
    domain.grants.max_version = static_cast<u8>(limits.grant_version);
    domain.policy = make_domain_policy(domain.is_hardware_domain);
    return domain.policy ? Result<void>() : Error::NoMemory;
}

/// Frees what build() made: nothing refers to the domain any more but the list, which gives it to nobody.
void free_parts(Domain& domain)
{
    for (Vcpu*& vcpu : domain.vcpus)
        if (vcpu) {
            machine::destroy_vcpu_state(*vcpu);
            mm::destroy(vcpu);
        }
    event_channels::release_memory(domain.events);
    domain.grants.free_storage();
    mm::unregister_owner(domain.memory);
    if (domain.shared_info)
        mm::free_frame(domain.shared_info_mfn);
    mm::free_window_tables(domain.memory);
    free_policy(domain.policy);
    domain.io_ports.clear();
    domain.irqs.clear();
}

/// What a vCPU holds of its domain's frames: roots, descriptor tables, vcpu_info.
void release_vcpu(Vcpu& vcpu)
{
    cancel_timers(vcpu);
    mm::release_descriptors(vcpu);
    const u64 kernel_root = vcpu.kernel_root, user_root = vcpu.user_root;
    vcpu.kernel_root = vcpu.user_root = 0;
    if (kernel_root)
        mm::put_root(mfn_of(MachineAddress(kernel_root)));
    if (user_root)
        mm::put_root(mfn_of(MachineAddress(user_root)));
    if (vcpu.vcpu_info_mfn != invalid_mfn.value) {
        vcpu.info = &unregistered_info;
        mm::put_writable_page(Mfn(vcpu.vcpu_info_mfn));
        vcpu.vcpu_info_mfn = invalid_mfn.value;
    }
}

/// Its hardware interrupts, and the page of bits about them (physdev_op).
void release_interrupts(Domain& domain)
{
    machine::release_irqs(domain.id);
    if (domain.pirq_eoi_frame != invalid_mfn)
        mm::put_writable_page(domain.pirq_eoi_frame);
    domain.pirq_eoi_frame = invalid_mfn;
}

/// What a call left of an exchange of frames that will not be gone on with.
Result<void> abandon_exchange(Domain& domain)
{
    const mm::Exchange::Turn turn(domain.exchange);
    if (!turn)
        return Error::Preempted;
    return domain.exchange.abandon();
}

Result<void> end_step(Domain& domain)
{
    switch (domain.end_step) {
    case EndStep::stop:
        domain.memory.dying = true;
        pause_vcpus(domain);
        cancel_watchdogs(domain);
        return {};
    case EndStep::events:
        return event_channels::destroy(domain.events);
    case EndStep::grants:
        return domain.grants.release_mappings();
    case EndStep::vcpus:
        for (Vcpu* vcpu : domain.vcpus)
            if (vcpu)
                release_vcpu(*vcpu);
        release_interrupts(domain);
        return {};
    case EndStep::memory:
        TRY(abandon_exchange(domain));
        TRY(mm::relinquish(domain.memory));
        domain.grants.release_frames();
        mm::unshare_hypervisor_frame(domain.memory, domain.shared_info_mfn);
        return {};
    case EndStep::done:
        return {};
    }
    return {};
}

/// The end is complete but for frames that others refer to: leaves the list's hold on the domain.
void bury(Domain& domain)
{
    domain.life = LifeState::dead;
    log(LogLevel::info, "d{}: ended", domain.id);
    announce_domain_change();
    if (mm::drained(domain.memory))
        memory_gone(domain.memory);
    domain_put(domain);
}

/// The steps that are left; the caller keeps a reference over the last of them.
Result<void> end_steps(Domain& domain)
{
    while (domain.end_step != EndStep::done) {
        TRY(end_step(domain));
        domain.end_step = static_cast<EndStep>(static_cast<u8>(domain.end_step) + 1);
    }
    bury(domain);
    return {};
}

}

DomainRef::~DomainRef()
{
    if (domain_)
        domain_put(*domain_);
}

Domain* control_domain()
{
    return control;
}

Domain& idle_domain()
{
    static Domain idle;
    idle.id = domid_idle;
    idle.is_idle = true;
    return idle;
}

void announce_domain_change()
{
    if (control)
        event_channels::raise_global_virq(control->events, static_cast<u32>(abi::Virq::dom_exc));
}

Result<Domain*> create_domain(DomId id, Privilege privilege, const DomainLimits& limits)
{
    Domain* domain = mm::make<Domain>();
    if (!domain)
        return Error::NoMemory;
    domain->id = id;
    domain->privilege = privilege;
    domain->is_hardware_domain = privilege == Privilege::control;
    domain->vcpu_limit = limits.vcpus;
    domain->controller_pauses = 1;
    domain->references = 2; // the list's, and the frames'
    domain->memory.id = id;
    domain->memory.privileged = privilege == Privilege::control;
    domain->memory.when_drained = memory_gone;
    {
        LockGuard guard(list_lock);
        Domain* at = *link_of(id);
        if (at && at->id == id) {
            mm::destroy(domain);
            return Error::Exists;
        }
    }
    // Nobody else takes the id meanwhile, since domains are made one at a time; and nobody sees the domain before it is
    // whole.
    mm::register_owner(domain->memory);
    const Result<void> built = build(*domain, limits);
    if (!built.ok()) {
        domain->memory.dying = true;
        if (domain->shared_info)
            mm::unshare_hypervisor_frame(domain->memory, domain->shared_info_mfn);
        free_parts(*domain);
        mm::destroy(domain);
        return built.error();
    }
    update_wall_clock(*domain);
    {
        LockGuard guard(list_lock);
        Domain** link = link_of(id);
        domain->next = *link;
        *link = domain;
    }
    if (privilege == Privilege::control)
        control = domain;
    return domain;
}

Result<DomId> choose_domid()
{
    LockGuard guard(list_lock);
    for (unsigned tried = 1; tried < first_reserved_domid; ++tried) {
        DomId id = last_given_out + 1;
        if (id.value >= first_reserved_domid)
            id = DomId(1);
        last_given_out = id;
        Domain* at = *link_of(id);
        if (!at || at->id != id)
            return id;
    }
    return Error::NoMemory;
}

Result<Vcpu*> create_vcpu(Domain& domain, VcpuId id)
{
    Vcpu* vcpu = mm::make<Vcpu>();
    if (!vcpu)
        return Error::NoMemory;
    vcpu->domain = &domain;
    vcpu->id = id;
    vcpu->info = id.value < abi::legacy_max_vcpus ? &domain.shared_info->vcpu_info[id.value] : &unregistered_info;
    vcpu->debug_registers[6] = 0xffff0ff0;
    vcpu->debug_registers[7] = 0x400;
    // Everyone who stops the domain's vCPUs has counted on those that were there: a new one stands still as they do.
    vcpu->unit.pause_count = domain.controller_pauses ? 1 : 0;
    const Result<void> state = machine::create_vcpu_state(*vcpu);
    if (!state.ok()) {
        mm::destroy(vcpu);
        return state.error();
    }
    initialise_timers(*vcpu);
    sched::place(vcpu->unit);
    event_channels::attach_vcpu(domain.events, vcpu->events, id, &vcpu->info, vcpu->unit);
    domain.vcpus[id.value] = vcpu;
    set_periodic(*vcpu, Nanoseconds(10'000'000)); // as every guest finds it, until it stops it
    return vcpu;
}

namespace {

/// A reference, unless the last one has gone and the struct is about to be freed. With list_lock held.
bool try_get_domain(Domain& domain)
{
    u32 count = atomic_load(&domain.references);
    while (count != 0)
        if (atomic_compare_exchange(&domain.references, count, count + 1))
            return true;
    return false;
}

}

Result<DomainRef> find_domain_from(DomId from)
{
    LockGuard guard(list_lock);
    for (Domain* domain = *link_of(from); domain; domain = domain->next)
        if (try_get_domain(*domain))
            return DomainRef(domain);
    return Error::NoSuchDomain;
}

Result<DomainRef> find_domain(DomId id)
{
    LockGuard guard(list_lock);
    Domain* domain = *link_of(id);
    if (!domain || domain->id != id || !try_get_domain(*domain))
        return Error::NoSuchDomain;
    return DomainRef(domain);
}

Result<DomainRef> find_domain_or_self(Domain& caller, DomId id)
{
    if (id == domid_self) {
        domain_get(caller);
        return DomainRef(&caller);
    }
    return find_domain(id);
}

void domain_get(Domain& domain)
{
    atomic_add(&domain.references, 1u);
}

void domain_put(Domain& domain)
{
    if (atomic_add(&domain.references, ~0u) != 1)
        return;
    // It keeps its place in the list, and with it its id, until all that goes by that id is gone.
    free_parts(domain);
    {
        LockGuard guard(list_lock);
        *link_of(domain.id) = domain.next;
    }
    mm::destroy(&domain);
}

void pause_vcpus(Domain& domain, const Vcpu* but)
{
    for (Vcpu* vcpu : domain.vcpus)
        if (vcpu && vcpu != but)
            sched::pause(vcpu->unit);
    for (Vcpu* vcpu : domain.vcpus)
        while (vcpu && vcpu != but && atomic_load(&vcpu->unit.on_cpu))
            machine::relax();
}

void resume_vcpus(Domain& domain, const Vcpu* but)
{
    for (Vcpu* vcpu : domain.vcpus)
        if (vcpu && vcpu != but)
            sched::resume(vcpu->unit);
}

void controller_pause(Domain& domain)
{
    bool first;
    {
        LockGuard guard(domain.control_lock);
        first = domain.controller_pauses++ == 0;
    }
    if (first)
        pause_vcpus(domain);
}

Result<void> controller_unpause(Domain& domain)
{
    {
        LockGuard guard(domain.control_lock);
        if (domain.controller_pauses == 0)
            return Error::Invalid;
        if (--domain.controller_pauses != 0)
            return {};
        domain.creation_finished = true;
        domain.memory.started = true;
    }
    resume_vcpus(domain);
    return {};
}

namespace {

/// The machine goes the way of the domain that runs it.
[[noreturn]] void end_with_control_domain(abi::ShutdownReason reason)
{
    using machine::PowerAction;
    switch (reason) {
    case abi::ShutdownReason::poweroff:
        log(LogLevel::info, "the control domain has powered off");
        machine::end_of_machine(PowerAction::halt);
    case abi::ShutdownReason::crash:
        log(LogLevel::error, "the control domain has crashed");
        machine::end_of_machine(PowerAction::reboot_after_crash);
    default:
        log(LogLevel::info, "the control domain asks for a reboot (reason {})", reason);
        machine::end_of_machine(PowerAction::reboot);
    }
}

}

void shut_down(Domain& domain, u8 reason)
{
    if (domain.is_hardware_domain)
        end_with_control_domain(static_cast<abi::ShutdownReason>(reason));
    {
        LockGuard guard(domain.control_lock);
        if (domain.shutting_down)
            return;
        domain.shutting_down = true;
        if (domain.shutdown_code == 0xff)
            domain.shutdown_code = reason;
    }
    for (Vcpu* vcpu : domain.vcpus)
        if (vcpu)
            sched::pause(vcpu->unit);
    note_vcpu_stopped(domain); // for a domain none of whose vCPUs runs
}

void note_vcpu_stopped(Domain& domain)
{
    {
        LockGuard guard(domain.control_lock);
        if (!domain.shutting_down || domain.shut_down)
            return;
        for (Vcpu* vcpu : domain.vcpus)
            if (vcpu && atomic_load(&vcpu->unit.on_cpu))
                return;
        domain.shut_down = true;
    }
    if (domain.shutdown_code == static_cast<u8>(abi::ShutdownReason::suspend) && domain.suspend_port)
        (void)event_channels::send(domain.events, Port(domain.suspend_port)).ok();
    announce_domain_change();
}

void resume_domain(Domain& domain)
{
    {
        LockGuard guard(domain.control_lock);
        if (!domain.shutting_down)
            return;
        domain.shutting_down = domain.shut_down = false;
        domain.shutdown_code = 0xff;
    }
    resume_vcpus(domain);
}

Result<void> end_domain(Domain& domain)
{
    {
        LockGuard guard(domain.control_lock);
        if (domain.life == LifeState::dead)
            return {};
        if (domain.ending)
            return Error::Preempted; // another vCPU of the controller is at it: look again later
        domain.ending = true;
        domain.life = LifeState::dying;
    }
    const Result<void> result = end_steps(domain);
    LockGuard guard(domain.control_lock);
    domain.ending = false;
    return result;
}

void send_nmi(Vcpu& vcpu)
{
    vcpu.nmi_pending = 1;
    vcpu.exit_work = 1;
    sched::wake(vcpu.unit);
    sched::kick(vcpu.unit);
}

void crash_domain(Domain& domain, const char* why)
{
    log(LogLevel::error, "d{} crashed: {}", domain.id, why);
    shut_down(domain, static_cast<u8>(abi::ShutdownReason::crash));
}

}

// What calls answer that are not made right: the errors that the tests of what the calls do pass over, a family at a
// time. A privileged guest and one that is not are refused differently.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/hvm.hpp"
#include "hypervisor/abi/mca.hpp"
#include "hypervisor/abi/memory.hpp"
#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/abi/version.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::EvtchnCmd;
using abi::GnttabCmd;
using abi::GnttabStatus;
using abi::HypercallNumber;
using abi::MemoryCmd;
using abi::PhysdevCmd;
using abi::RawPort;
using abi::SchedCmd;
using abi::VcpuCmd;

namespace {

constexpr u64 unmapped = 0x5000, hole = 0xffff830000000000;
constexpr abi::RawDomId nobody = 1234;

// ---- Event channels ------------------------------------------------------------------------------------------------

i64 event_op_at(EvtchnCmd cmd, u64 address)
{
    return hypercall(HypercallNumber::event_channel_op, static_cast<u64>(cmd), address);
}
template <typename T> i64 event_op(EvtchnCmd cmd, T argument, T* result = nullptr)
{
    const i64 answer = event_op_at(cmd, address_of(argument));
    if (result)
        *result = argument;
    return answer;
}
i64 close_port(RawPort port)
{
    return event_op(EvtchnCmd::close, abi::EvtchnClose{port});
}
RawPort bind_ipi()
{
    abi::EvtchnBindIpi request{};
    EXPECT(event_op(EvtchnCmd::bind_ipi, abi::EvtchnBindIpi{0, 0}, &request), 0);
    return request.port;
}
RawPort unbound(abi::RawDomId remote)
{
    abi::EvtchnAllocUnbound request{};
    EXPECT(event_op(EvtchnCmd::alloc_unbound, abi::EvtchnAllocUnbound{abi::domid_self, remote, 0}, &request), 0);
    return request.port;
}

void event_channels()
{
    for (const EvtchnCmd cmd :
         {EvtchnCmd::bind_interdomain, EvtchnCmd::bind_virq, EvtchnCmd::bind_pirq, EvtchnCmd::close, EvtchnCmd::send,
          EvtchnCmd::status, EvtchnCmd::alloc_unbound, EvtchnCmd::bind_ipi, EvtchnCmd::bind_vcpu, EvtchnCmd::unmask,
          EvtchnCmd::reset, EvtchnCmd::init_control, EvtchnCmd::expand_array, EvtchnCmd::set_priority})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(event_op_at(cmd, address), fault);

    const RawPort for_nobody = unbound(nobody), ipi = bind_ipi();
    for (const RawPort port : {RawPort{0}, ipi, for_nobody, RawPort{900}, ~RawPort{0}})
        EXPECT_ERROR(event_op(EvtchnCmd::bind_interdomain, abi::EvtchnBindInterdomain{abi::domid_self, port, 0}),
                     inval);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_vcpu, abi::EvtchnBindVcpu{900, 0}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_vcpu, abi::EvtchnBindVcpu{~RawPort{0}, 0}), inval);
    EXPECT(event_op(EvtchnCmd::bind_vcpu, abi::EvtchnBindVcpu{for_nobody, 0}), 0);
    EXPECT(event_op(EvtchnCmd::unmask, abi::EvtchnUnmask{ipi + 1}), 0);

    abi::EvtchnBindVirq virq{};
    EXPECT(event_op(EvtchnCmd::bind_virq, abi::EvtchnBindVirq{static_cast<u32>(abi::Virq::debug), 0, 0}, &virq), 0);
    EXPECT_ERROR(event_op(EvtchnCmd::send, abi::EvtchnSend{virq.port}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_vcpu, abi::EvtchnBindVcpu{virq.port, 0}), inval);
    EXPECT(close_port(virq.port), 0);

    abi::EvtchnStatus status{};
    status.dom = abi::domid_self;
    status.port = ipi + 1;
    EXPECT(event_op(EvtchnCmd::status, status, &status), 0);
    EXPECT_TRUE(status.status == abi::EvtchnStat::closed);
    status.port = ~RawPort{0};
    EXPECT_ERROR(event_op(EvtchnCmd::status, status), inval);
    status.dom = nobody;
    EXPECT_ERROR(event_op(EvtchnCmd::status, status), srch);
    EXPECT_ERROR(event_op(EvtchnCmd::reset, abi::EvtchnReset{nobody}), srch);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_pirq, abi::EvtchnBindPirq{100'000, 0, 0}), inval);
    if (!is_dom0()) {
        status.dom = 0;
        status.port = 1; // one that dom0 has, since Xen tells first whether there is such a port
        EXPECT_ERROR(event_op(EvtchnCmd::status, status), perm);
        EXPECT_ERROR(event_op(EvtchnCmd::alloc_unbound, abi::EvtchnAllocUnbound{0, abi::domid_self, 0}), perm);
        EXPECT_ERROR(event_op(EvtchnCmd::reset, abi::EvtchnReset{0}), perm);
        EXPECT_ERROR(event_op(EvtchnCmd::bind_pirq, abi::EvtchnBindPirq{1, 0, 0}), perm);
    }
    EXPECT(close_port(for_nobody), 0);
    EXPECT(close_port(ipi), 0);
}

/// Ports until there are none left: dom0 has as many as two levels hold, a guest as many as its creator said.
void all_ports()
{
    unsigned count = 0;
    abi::EvtchnBindIpi last{};
    i64 answer = 0;
    for (; count < 5000 && answer == 0; ++count)
        answer = event_op(EvtchnCmd::bind_ipi, abi::EvtchnBindIpi{0, 0}, &last);
    EXPECT_ERROR(answer, nospc);
    EXPECT_TRUE(count > 900);
    if (!is_dom0())
        return; // the console needs its port
    EXPECT(event_op(EvtchnCmd::reset, abi::EvtchnReset{abi::domid_self}), 0);
    EXPECT(bind_ipi(), 1);
    EXPECT(close_port(1), 0);
}

/// FIFO queues, once two levels are left.
void fifo()
{
    const RawPort port = bind_ipi();
    abi::EvtchnInitControl init{mfn_of_address(allocate_page()), 0, 0, 0, {}};
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, abi::EvtchnInitControl{root, 0, 0, 0, {}}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::init_control, abi::EvtchnInitControl{0xfffffff, 0, 0, 0, {}}), inval);
    EXPECT(event_op(EvtchnCmd::init_control, init), 0);
    EXPECT_ERROR(event_op(EvtchnCmd::expand_array, abi::EvtchnExpandArray{root}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::expand_array, abi::EvtchnExpandArray{0xfffffff}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, abi::EvtchnSetPriority{port, 16}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, abi::EvtchnSetPriority{~RawPort{0}, 3}), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, abi::EvtchnSetPriority{0, 3}), acces);
    EXPECT_ERROR(event_op(EvtchnCmd::set_priority, abi::EvtchnSetPriority{port + 1, 3}), acces); // free
}

// ---- Grants --------------------------------------------------------------------------------------------------------

void grants()
{
    u64 frames[1];
    abi::GnttabSetupTable setup{abi::domid_self, 1, GnttabStatus::eagain, {hole}};
    EXPECT_ERROR(grant_op(GnttabCmd::setup_table, setup), fault);
    EXPECT(setup.status, GnttabStatus::eagain);
    setup.frame_list.address = unmapped;
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT(setup.status, GnttabStatus::bad_virt_addr);
    abi::GnttabQuerySize size{nobody, 0, 0, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::query_size, size), 0);
    EXPECT(size.status, GnttabStatus::bad_domain);
    EXPECT_ERROR(grant_op(GnttabCmd::query_size, size, 2), inval);
    abi::GnttabGetVersion version{nobody, 0, 0};
    EXPECT_ERROR(grant_op(GnttabCmd::get_version, version), srch);
    if (!is_dom0()) {
        setup = {0, 1, GnttabStatus::eagain, {address_of(frames)}};
        EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
        EXPECT(setup.status, GnttabStatus::permission_denied);
        size.dom = 0;
        EXPECT(grant_op(GnttabCmd::query_size, size), 0);
        EXPECT(size.status, GnttabStatus::permission_denied);
        version.dom = 0;
        EXPECT_ERROR(grant_op(GnttabCmd::get_version, version), perm);
    }
    for (const GnttabCmd cmd :
         {GnttabCmd::map_grant_ref, GnttabCmd::unmap_grant_ref, GnttabCmd::unmap_and_replace, GnttabCmd::copy,
          GnttabCmd::setup_table, GnttabCmd::query_size, GnttabCmd::set_version, GnttabCmd::get_version,
          GnttabCmd::swap_grant_ref, GnttabCmd::transfer, GnttabCmd::get_status_frames})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(hypercall(HypercallNumber::grant_table_op, static_cast<u64>(cmd), address, 1), fault);
    EXPECT_ERROR(grant_op(GnttabCmd::dump_table, setup), nosys);
    EXPECT_ERROR(grant_op(static_cast<GnttabCmd>(13), setup), nosys);
    EXPECT_ERROR(grant_op(static_cast<GnttabCmd>(0x1000), setup), inval); // above is the progress of another operation

    // An unmapping that names no entry, and one whose entry has gone.
    auto* page = static_cast<u64*>(allocate_page());
    auto* place = static_cast<u64*>(allocate_page());
    auto* other = static_cast<u64*>(allocate_page());
    const u64 address = reinterpret_cast<u64>(place);
    const abi::RawDomId own_id = own_domain_id();
    EXPECT(update_va_mapping(place, 0), 0);
    grant(10, own_id, page, 0);
    const auto mapped = map_grant(address, abi::gntmap_host_map, 10, own_id);
    EXPECT(mapped.status, GnttabStatus::okay);
    EXPECT(unmap_grant(0, mapped.handle), GnttabStatus::okay); // nothing was asked for
    EXPECT(place[0], 0);
    EXPECT(unmap_grant(reinterpret_cast<u64>(other), mapped.handle), GnttabStatus::general_error); // has another frame
    EXPECT(unmap_grant(unmapped, mapped.handle), GnttabStatus::general_error);
    abi::GnttabUnmapAndReplace replace{address, reinterpret_cast<u64>(page), 77'000, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::unmap_and_replace, replace), 0);
    EXPECT(replace.status, GnttabStatus::bad_handle);
    abi::GnttabSwapGrantRef swap{10, 11, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::swap_grant_ref, swap), 0);
    EXPECT(swap.status, GnttabStatus::eagain);
    EXPECT(unmap_grant(address, mapped.handle), GnttabStatus::okay);
    for (const u64 bad : {hole, u64{1} << 60, u64{unmapped}})
        EXPECT(map_grant(bad, abi::gntmap_host_map, 10, own_id).status, GnttabStatus::general_error);
    EXPECT(map_grant(mfn_of_address(page) << page_shift, abi::gntmap_host_map | abi::gntmap_contains_pte, 10, own_id)
               .status,
           GnttabStatus::general_error); // no page table
    EXPECT(grant_entries()[10].flags, abi::gtf_permit_access);
}

// ---- memory_op -----------------------------------------------------------------------------------------------------

i64 memory_op_at(MemoryCmd cmd, u64 address, u64 start = 0)
{
    return hypercall(HypercallNumber::memory_op, static_cast<u64>(cmd) | start << abi::memop_extent_shift, address);
}
template <typename T> i64 memory_op(MemoryCmd cmd, T argument, u64 start = 0)
{
    return memory_op_at(cmd, address_of(argument), start);
}

void memory()
{
    for (const MemoryCmd cmd :
         {MemoryCmd::current_reservation, MemoryCmd::maximum_reservation, MemoryCmd::maximum_gpfn,
          MemoryCmd::machphys_mapping, MemoryCmd::machphys_mfn_list, MemoryCmd::exchange, MemoryCmd::add_to_physmap,
          MemoryCmd::remove_from_physmap, MemoryCmd::claim_pages, MemoryCmd::acquire_resource})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(memory_op_at(cmd, address), fault);
    for (const MemoryCmd cmd :
         {MemoryCmd::increase_reservation, MemoryCmd::decrease_reservation, MemoryCmd::populate_physmap})
        for (const u64 address : {unmapped, hole}) {
            EXPECT(memory_op_at(cmd, address), 0);
            EXPECT(memory_op_at(cmd, address, 5), 5); // what had been done before
        }
    abi::MemoryDomain who{nobody};
    for (const MemoryCmd cmd :
         {MemoryCmd::current_reservation, MemoryCmd::maximum_reservation, MemoryCmd::maximum_gpfn})
        EXPECT_ERROR(memory_op(cmd, who), srch);
    who.domid = abi::domid_self;
    EXPECT_TRUE(memory_op(MemoryCmd::maximum_gpfn, who) >= 0);

    u64 frame = 0;
    abi::MemoryReservation reservation{{address_of(frame)}, 1, 0, 0, abi::domid_self};
    reservation.mem_flags = 12; // no memory has so low addresses
    EXPECT(memory_op(MemoryCmd::increase_reservation, reservation), 0);
    reservation.mem_flags = 0;
    reservation.extent_order = 30;
    EXPECT(memory_op(MemoryCmd::increase_reservation, reservation), 0);
    EXPECT(memory_op(MemoryCmd::decrease_reservation, reservation), 0);

    reservation = {{0}, 0, 0, 0, abi::domid_self};
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval); // by number only
    reservation.domid = nobody;
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
    reservation.domid = 0;
    reservation.extent_order = 1;
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
    reservation.extent_order = 0;
    reservation.mem_flags = 1;
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
    reservation.mem_flags = 0;
    reservation.extent_start.address = address_of(frame);
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
    reservation.extent_start.address = 0;
    EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation, 1), inval);
    if (is_dom0()) {
        EXPECT(memory_op(MemoryCmd::claim_pages, reservation), 0);
        reservation.nr_extents = u64{1} << 40; // more than it may ever have
        EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
        reservation.nr_extents = u64{1} << 30;
        EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), nomem);
        reservation.nr_extents = 1; // dom0 has more already
        EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), inval);
    } else {
        EXPECT_ERROR(memory_op(MemoryCmd::claim_pages, reservation), perm);
    }

    static abi::E820Entry range{0, 1 << 20, 1};
    abi::ForeignMemoryMap map{nobody, {1, {address_of(range)}}};
    EXPECT_ERROR(memory_op(MemoryCmd::set_memory_map, map), srch);
    map.map.nr_entries = 100'000;
    EXPECT_ERROR(memory_op(MemoryCmd::set_memory_map, map), inval);
    map = {abi::domid_self, {1, {unmapped}}};
    EXPECT_ERROR(memory_op_at(MemoryCmd::set_memory_map, unmapped), fault);
    if (is_dom0())
        EXPECT_ERROR(memory_op(MemoryCmd::set_memory_map, map), fault);
    abi::MachphysMfnList list{1, {unmapped}, 0};
    EXPECT_ERROR(memory_op(MemoryCmd::machphys_mfn_list, list), fault);
    EXPECT_ERROR(memory_op(MemoryCmd::machphys_compat_mfn_list, list), opnotsupp);
    EXPECT(memory_op_at(MemoryCmd::get_sharing_freed_pages, 0), 0);
    EXPECT(memory_op_at(MemoryCmd::get_sharing_shared_pages, 0), 0);
    EXPECT_ERROR(memory_op_at(static_cast<MemoryCmd>(63), 0), nosys);

    u64 frames[1];
    abi::MemAcquireResource resource{0, abi::ResourceType::grant_table, 0, 1, 0, 0, {address_of(frames)}};
    EXPECT_ERROR(memory_op(MemoryCmd::acquire_resource, resource), perm); // dom0's own, and not a guest's to have
}

// ---- Page tables ---------------------------------------------------------------------------------------------------

void page_tables()
{
    void* page = allocate_page();
    const u64 at = machine_address_of_entry(page), good = mfn_of_address(page) << page_shift | kernel_page;
    const auto of_tables = [](u64 domain) { return (domain + 1) << 16 | abi::domid_self; };
    EXPECT_ERROR(mmu_update(at, good, abi::domid_io + 3), srch);
    EXPECT_ERROR(mmu_update(at, good, of_tables(nobody)), srch);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::pin_l1_table, 0, 0, nobody), srch);
    for (const u64 address : {unmapped, hole})
        EXPECT_ERROR(hypercall(HypercallNumber::mmuext_op, address, 1, 0, abi::domid_self), fault);
    abi::MmuextOp request{static_cast<abi::MmuextCmd>(99), {0}, {}};
    u32 done = 7;
    EXPECT_ERROR(hypercall(HypercallNumber::mmuext_op, address_of(request), 1, address_of(done), abi::domid_self),
                 nosys);
    EXPECT(done, 0);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::set_ldt, reinterpret_cast<u64>(page) + 8, 1), inval);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::set_ldt, reinterpret_cast<u64>(page), 8193), inval);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::new_baseptr, 0xfffffff), inval);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::new_user_baseptr, 0xfffffff), inval);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::clear_page, 0xfffffff), inval);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::unpin_table, 0xfffffff), inval);
    // Memory of the hypervisor's own, of the M2P.
    u64 chunk[1] = {0};
    abi::MachphysMfnList first_chunk{1, {address_of(chunk)}, 0};
    EXPECT(memory_op(MemoryCmd::machphys_mfn_list, first_chunk), 0);
    EXPECT_ERROR(mmu_update(at, chunk[0] << page_shift | kernel_page), busy);
    EXPECT_ERROR(mmu_update(at, chunk[0] << page_shift | read_only_page), busy);
    if (is_dom0())
        return;
    EXPECT_ERROR(mmu_update(at | 1, 0, of_tables(0)), perm);
    EXPECT_ERROR(
        mmuext(abi::MmuextCmd::new_baseptr, mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)), 0, 0), perm);
    EXPECT_ERROR(mmu_update(at, good, 0), perm);
    EXPECT_ERROR(mmu_update(at, good, of_tables(0)), perm);
    EXPECT_ERROR(mmu_update(at, good, abi::domid_xen), perm);
    EXPECT_ERROR(mmuext(abi::MmuextCmd::tlb_flush_local, 0, 0, 0), perm);
    EXPECT_ERROR(hypercall(HypercallNumber::update_va_mapping_otherdomain, reinterpret_cast<u64>(page), good, 0, 0),
                 perm);
}

// ---- vCPUs, scheduling, time ---------------------------------------------------------------------------------------

i64 vcpu_op(VcpuCmd cmd, u64 vcpu, u64 argument)
{
    return hypercall(HypercallNumber::vcpu_op, static_cast<u64>(cmd), vcpu, argument);
}
i64 sched_op_at(SchedCmd cmd, u64 address)
{
    return hypercall(HypercallNumber::sched_op, static_cast<u64>(cmd), address);
}
template <typename T> i64 sched_op(SchedCmd cmd, T argument)
{
    return sched_op_at(cmd, address_of(argument));
}

void vcpus()
{
    for (const VcpuCmd cmd :
         {VcpuCmd::set_periodic_timer, VcpuCmd::set_singleshot_timer, VcpuCmd::register_vcpu_info,
          VcpuCmd::register_runstate_memory_area, VcpuCmd::register_vcpu_time_memory_area, VcpuCmd::get_runstate_info})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(vcpu_op(cmd, 0, address), fault);
    abi::VcpuSetPeriodicTimer longest{~u64{0}};
    EXPECT_ERROR(vcpu_op(VcpuCmd::set_periodic_timer, 0, address_of(longest)), inval);
    abi::VcpuRegisterRunstateMemoryArea area{{hole}};
    EXPECT_ERROR(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, address_of(area)), fault);
    EXPECT_ERROR(vcpu_op(VcpuCmd::register_vcpu_time_memory_area, 0, address_of(area)), fault);
    EXPECT_ERROR(vcpu_op(VcpuCmd::get_physid, 0, 0), inval);
    EXPECT_ERROR(vcpu_op(VcpuCmd::initialise, 0, 0), fault);
    EXPECT(vcpu_op(VcpuCmd::up, 0, 0), 0); // it is
    for (const u64 none : {u64{64}, u64{8191}, u64{0xffffffff}})
        EXPECT_ERROR(vcpu_op(VcpuCmd::is_up, none, 0), noent);
}

void scheduling()
{
    for (const SchedCmd cmd :
         {SchedCmd::shutdown, SchedCmd::poll, SchedCmd::remote_shutdown, SchedCmd::shutdown_code, SchedCmd::watchdog})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(sched_op_at(cmd, address), fault);
    abi::SchedRemoteShutdown remote{nobody, abi::ShutdownReason::poweroff};
    EXPECT_ERROR(sched_op(SchedCmd::remote_shutdown, remote), srch);
    EXPECT_ERROR(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{3, 1}), inval);
    EXPECT_ERROR(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{1, 5}), inval); // was never started
    EXPECT(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{0, 1000}), 1);
    EXPECT(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{0, 1000}), 2);
    const i64 third = sched_op(SchedCmd::watchdog, abi::SchedWatchdog{0, 1000});
    EXPECT_ERROR(static_cast<i32>(third), nospc); // Xen's has 32 bits
    EXPECT(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{1, 2000}), 0);
    EXPECT(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{1, 0}), 0);
    EXPECT(sched_op(SchedCmd::watchdog, abi::SchedWatchdog{2, 0}), 0);
    if (is_dom0()) {
        EXPECT_ERROR(sched_op_at(SchedCmd::pin_override, unmapped), fault);
        EXPECT_ERROR(sched_op(SchedCmd::pin_override, abi::SchedPinOverride{1000}), inval);
        EXPECT(sched_op(SchedCmd::pin_override, abi::SchedPinOverride{0}), 0);
        EXPECT(sched_op(SchedCmd::pin_override, abi::SchedPinOverride{-1}), 0);
    } else {
        EXPECT_ERROR(sched_op_at(SchedCmd::pin_override, unmapped), perm);
        remote.domain_id = 0;
        EXPECT_ERROR(sched_op(SchedCmd::remote_shutdown, remote), perm);
    }
    EXPECT_ERROR(sched_op_at(static_cast<SchedCmd>(8), 0), nosys);
    EXPECT(hypercall(HypercallNumber::set_timer_op, 0), 0);
}

/// A timer runs from the start, a hundred times a second, and again when it is asked for; but not while its vCPU waits.
void periodic_timers()
{
    abi::EvtchnBindVirq bind{};
    EXPECT(event_op(EvtchnCmd::bind_virq, abi::EvtchnBindVirq{static_cast<u32>(abi::Virq::timer), 0, 0}, &bind), 0);
    const u64 bit = u64{1} << bind.port % 64;
    u64& word = shared_info().evtchn_pending[bind.port / 64];
    const auto ticks = [&](unsigned wanted) {
        unsigned seen = 0;
        for (; seen < wanted; ++seen) {
            u64 tries = 0;
            while (!(__atomic_fetch_and(&word, ~bit, __ATOMIC_SEQ_CST) & bit))
                if (++tries == 3'000'000'000)
                    return false;
        }
        return true;
    };
    shared_info().vcpu_info[0].evtchn_upcall_mask = 1;
    for (u64& mask : shared_info().evtchn_mask)
        mask = ~u64{0}; // an event of any port that is not masked, such as the console's, ends a poll on Xen
    EXPECT_TRUE(ticks(3));
    abi::VcpuSetPeriodicTimer period{2'000'000};
    EXPECT(vcpu_op(VcpuCmd::set_periodic_timer, 0, address_of(period)), 0);
    EXPECT_TRUE(ticks(10));
    const auto poll_for = [&](u64 nanoseconds) {
        const u64 deadline = system_time() + nanoseconds;
        EXPECT(sched_op(SchedCmd::poll, abi::SchedPoll{{address_of(bind.port)}, 1, deadline}), 0);
        return system_time() >= deadline;
    };
    // A tick may come before the vCPU has left its processor. Ticks that did not stop with it would end every poll.
    const auto one_lasts = [&] {
        for (unsigned tries = 0; tries < 20; ++tries) {
            __atomic_fetch_and(&word, ~bit, __ATOMIC_SEQ_CST);
            if (poll_for(50'000'000))
                return true;
        }
        return false;
    };
    EXPECT_TRUE(one_lasts());
    EXPECT_TRUE(ticks(1));
    EXPECT(vcpu_op(VcpuCmd::stop_periodic_timer, 0, 0), 0);
    __atomic_fetch_and(&word, ~bit, __ATOMIC_SEQ_CST);
    EXPECT_TRUE(poll_for(50'000'000));
    EXPECT(word & bit, 0); // none any more
    EXPECT(close_port(bind.port), 0);
}

// ---- Devices -------------------------------------------------------------------------------------------------------

i64 physdev_op_at(PhysdevCmd cmd, u64 address)
{
    return hypercall(HypercallNumber::physdev_op, static_cast<u64>(cmd), address);
}
template <typename T> i64 physdev_op(PhysdevCmd cmd, T argument)
{
    return physdev_op_at(cmd, address_of(argument));
}

/// An interrupt of the hardware domain's own, while it is bound and afterwards.
void bound_interrupt()
{
    constexpr u32 gsi = 10;
    abi::PhysdevMapPirq map{};
    map.domid = abi::domid_self;
    map.type = abi::MapPirqType::gsi;
    map.index = map.pirq = gsi;
    abi::EvtchnBindPirq bind{gsi, 0, 0};
    EXPECT_ERROR(event_op(EvtchnCmd::bind_pirq, bind), perm); // not mapped
    EXPECT(physdev_op(PhysdevCmd::map_pirq, map), 0);
    EXPECT(event_op(EvtchnCmd::bind_pirq, bind, &bind), 0);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_pirq, bind), exist);
    EXPECT_ERROR(event_op(EvtchnCmd::send, abi::EvtchnSend{bind.port}), inval);
    EXPECT(event_op(EvtchnCmd::bind_vcpu, abi::EvtchnBindVcpu{bind.port, 0}), 0);
    EXPECT(close_port(bind.port), 0);
    const abi::PhysdevUnmapPirq unmap{abi::domid_self, gsi};
    EXPECT(physdev_op(PhysdevCmd::unmap_pirq, unmap), 0);
    EXPECT_ERROR(physdev_op(PhysdevCmd::unmap_pirq, unmap), inval);
    EXPECT_ERROR(event_op(EvtchnCmd::bind_pirq, bind), perm);
}

void devices()
{
    for (const PhysdevCmd cmd :
         {PhysdevCmd::eoi, PhysdevCmd::irq_status_query, PhysdevCmd::set_iopl, PhysdevCmd::set_iobitmap,
          PhysdevCmd::apic_read, PhysdevCmd::apic_write, PhysdevCmd::alloc_irq_vector, PhysdevCmd::map_pirq,
          PhysdevCmd::unmap_pirq, PhysdevCmd::manage_pci_add, PhysdevCmd::manage_pci_remove,
          PhysdevCmd::pirq_eoi_gmfn_v2, PhysdevCmd::restore_msi, PhysdevCmd::setup_gsi, PhysdevCmd::get_free_pirq,
          PhysdevCmd::pci_device_add, PhysdevCmd::pci_device_remove, PhysdevCmd::restore_msi_ext,
          PhysdevCmd::prepare_msix})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(physdev_op_at(cmd, address), fault);
    for (const u64 unknown : {0, 1, 2, 3, 18, 22, 32, 1000})
        EXPECT_ERROR(physdev_op_at(static_cast<PhysdevCmd>(unknown), 0), nosys);
    EXPECT_ERROR(physdev_op(PhysdevCmd::set_iopl, abi::PhysdevSetIopl{4}), inval);
    EXPECT_ERROR(physdev_op(PhysdevCmd::set_iobitmap, abi::PhysdevSetIobitmap{{0}, 65537}), inval);
    EXPECT_ERROR(physdev_op(PhysdevCmd::set_iobitmap, abi::PhysdevSetIobitmap{{hole}, 65536}), inval);
    EXPECT_ERROR(physdev_op(PhysdevCmd::irq_status_query, abi::PhysdevIrqStatusQuery{100'000, 0}), inval);
    EXPECT_ERROR(physdev_op(PhysdevCmd::eoi, abi::PhysdevEoi{100'000}), inval);
    EXPECT_ERROR(physdev_op(PhysdevCmd::pirq_eoi_gmfn_v2, abi::PhysdevPirqEoiGmfn{0xfffffff}), inval);
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    EXPECT_ERROR(physdev_op(PhysdevCmd::pirq_eoi_gmfn_v2, abi::PhysdevPirqEoiGmfn{root}), inval);
    const abi::PhysdevPirqEoiGmfn bits{mfn_of_address(allocate_page())};
    EXPECT(physdev_op(PhysdevCmd::pirq_eoi_gmfn_v2, bits), 0);
    EXPECT_ERROR(physdev_op(PhysdevCmd::pirq_eoi_gmfn_v2, bits), busy);
    EXPECT_ERROR(physdev_op(PhysdevCmd::unmap_pirq, abi::PhysdevUnmapPirq{nobody, 1}), srch);
    abi::PhysdevMapPirq map{};
    map.domid = nobody;
    EXPECT_ERROR(physdev_op(PhysdevCmd::map_pirq, map), srch);
    map.domid = abi::domid_self;
    map.type = abi::MapPirqType::gsi;
    map.index = 100'000;
    map.pirq = -1;
    const abi::PhysdevUnmapPirq unmap{abi::domid_self, 100'000};
    const abi::PhysdevApic apic{0x1234, 0, 0};
    if (is_dom0()) {
        EXPECT_ERROR(physdev_op(PhysdevCmd::unmap_pirq, unmap), inval);
        EXPECT_ERROR(physdev_op(PhysdevCmd::map_pirq, map), inval);
        map.type = abi::MapPirqType::unknown;
        EXPECT_ERROR(physdev_op(PhysdevCmd::map_pirq, map), inval);
        EXPECT_ERROR(physdev_op(PhysdevCmd::apic_read, apic), inval);
        EXPECT_ERROR(physdev_op(PhysdevCmd::setup_gsi, abi::PhysdevSetupGsi{100'000, 0, 0}), inval);
        EXPECT(physdev_op(PhysdevCmd::dbgp_op, abi::PhysdevDbgpOp{7, 0, {}}), 0); // there is none
        const abi::PhysdevPciDevice absent{0, 200, 0};
        for (const PhysdevCmd cmd : {PhysdevCmd::pci_device_remove, PhysdevCmd::restore_msi_ext,
                                     PhysdevCmd::prepare_msix, PhysdevCmd::release_msix})
            EXPECT_ERROR(physdev_op(cmd, absent), nodev);
        for (const PhysdevCmd cmd : {PhysdevCmd::manage_pci_remove, PhysdevCmd::restore_msi})
            EXPECT_ERROR(physdev_op(cmd, abi::PhysdevManagePci{200, 0}), nodev);
        map.type = abi::MapPirqType::msi_seg;
        map.bus = 200;
        map.index = -1;
        EXPECT_ERROR(physdev_op(PhysdevCmd::map_pirq, map), nodev);
        bound_interrupt();
    } else {
        EXPECT_ERROR(physdev_op(PhysdevCmd::unmap_pirq, unmap), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::map_pirq, map), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::apic_read, apic), perm);
        EXPECT_ERROR(physdev_op_at(PhysdevCmd::dbgp_op, unmapped), perm);
        EXPECT_ERROR(physdev_op_at(PhysdevCmd::pci_mmcfg_reserved, unmapped), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::apic_write, apic), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::alloc_irq_vector, abi::PhysdevIrq{1, 0}), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::setup_gsi, abi::PhysdevSetupGsi{1, 0, 0}), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::manage_pci_add, abi::PhysdevManagePci{0, 0}), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::pci_device_add, abi::PhysdevPciDeviceAdd{}), perm);
        EXPECT_ERROR(physdev_op(PhysdevCmd::pci_device_remove, abi::PhysdevPciDevice{}), perm);
    }
    EXPECT_ERROR(hypercall(HypercallNumber::physdev_op_compat, unmapped), fault);
    abi::PhysdevOpCompat compat{};
    compat.cmd = PhysdevCmd::set_iopl;
    compat.u.set_iopl.iopl = 4;
    EXPECT_ERROR(hypercall(HypercallNumber::physdev_op_compat, address_of(compat)), inval);
    compat.cmd = static_cast<PhysdevCmd>(18);
    EXPECT_ERROR(hypercall(HypercallNumber::physdev_op_compat, address_of(compat)), nosys);
}

// ---- The rest ------------------------------------------------------------------------------------------------------

void compat_forms()
{
    EXPECT_ERROR(hypercall(HypercallNumber::event_channel_op_compat, unmapped), fault);
    static abi::EvtchnOpCompat op{};
    op.cmd = EvtchnCmd::reset; // newer than this form
    EXPECT_ERROR(hypercall(HypercallNumber::event_channel_op_compat, address_of(op)), nosys);
    op.cmd = EvtchnCmd::send;
    op.u.send.port = ~RawPort{0};
    EXPECT_ERROR(hypercall(HypercallNumber::event_channel_op_compat, address_of(op)), inval);
    EXPECT_ERROR(hypercall(HypercallNumber::sched_op_compat, 3), nosys);
    EXPECT(hypercall(HypercallNumber::sched_op_compat, 0), 0);
}

void versions()
{
    const auto version = [](abi::VersionCmd cmd, u64 argument) {
        return hypercall(HypercallNumber::xen_version, static_cast<u64>(cmd), argument);
    };
    for (const abi::VersionCmd cmd :
         {abi::VersionCmd::extraversion, abi::VersionCmd::compile_info, abi::VersionCmd::capabilities,
          abi::VersionCmd::changeset, abi::VersionCmd::platform_parameters, abi::VersionCmd::get_features,
          abi::VersionCmd::guest_handle, abi::VersionCmd::commandline})
        for (const u64 address : {unmapped, hole})
            EXPECT_ERROR(version(cmd, address), fault);
    if (!is_dom0())
        EXPECT_ERROR(version(abi::VersionCmd::build_id, 0), perm);
}

i64 hvm_op(abi::HvmCmd command, u64 argument)
{
    return hypercall(HypercallNumber::hvm_op, static_cast<u64>(command), argument);
}

/// What is for HVM guests, of which neither the caller nor dom0 is one.
void calls_for_hvm()
{
    using abi::HvmCmd;
    for (const HvmCmd command : {HvmCmd::set_param, HvmCmd::get_param}) {
        abi::HvmParam param{abi::domid_self, 0, 1, 0};
        EXPECT_ERROR(hvm_op(command, address_of(param)), inval);
        EXPECT_ERROR(hvm_op(command, unmapped), fault);
        param.domid = nobody;
        EXPECT_ERROR(hvm_op(command, address_of(param)), srch);
        param.index = abi::hvm_nr_params;
        EXPECT_ERROR(hvm_op(command, address_of(param)), inval);
    }
    EXPECT_ERROR(hvm_op(HvmCmd::flush_tlbs, 0), inval);
    EXPECT_ERROR(hvm_op(HvmCmd::flush_tlbs, 1), inval);
    EXPECT_ERROR(hvm_op(HvmCmd::set_evtchn_upcall_vector, 0), inval);
    EXPECT_ERROR(hvm_op(HvmCmd::altp2m, 0), opnotsupp);
    EXPECT_ERROR(hvm_op(HvmCmd::guest_request_vm_event, 1), inval);
    EXPECT(hvm_op(HvmCmd::guest_request_vm_event, 0), 0);
    for (const HvmCmd gone : {HvmCmd(2), HvmCmd(12), HvmCmd(99)})
        EXPECT_ERROR(hvm_op(gone, 0), nosys);

    abi::HvmGetMemType type{abi::domid_self, 0, {}, 0};
    EXPECT_ERROR(hvm_op(HvmCmd::get_mem_type, address_of(type)), inval);
    abi::HvmPagetableDying dying{abi::domid_self, {}, 0};
    EXPECT_ERROR(hvm_op(HvmCmd::pagetable_dying, address_of(dying)), inval);
    if (!is_dom0()) {
        type.domid = dying.domid = 0;
        EXPECT_ERROR(hvm_op(HvmCmd::get_mem_type, address_of(type)), perm);
        EXPECT_ERROR(hvm_op(HvmCmd::pagetable_dying, address_of(dying)), opnotsupp);
    }
    abi::HvmGetTime time{};
    EXPECT_ERROR(hvm_op(HvmCmd::get_time, unmapped), fault);
    EXPECT(hvm_op(HvmCmd::get_time, address_of(time)), 0);
    EXPECT_TRUE(time.now > 0);
    abi::HvmXentrace record{1, sizeof record.extra, {}};
    EXPECT(hvm_op(HvmCmd::xentrace, address_of(record)), 0);
    record.extra_bytes = sizeof record.extra + 1;
    EXPECT_ERROR(hvm_op(HvmCmd::xentrace, address_of(record)), inval);
    record = {abi::hvm_xentrace_events + 1, 0, {}};
    EXPECT_ERROR(hvm_op(HvmCmd::xentrace, address_of(record)), inval);

    const abi::DmOpBuf buffers[3] = {};
    const auto dm_op = [](u64 domid, u64 count, u64 list) {
        return hypercall(HypercallNumber::dm_op, domid, count, list);
    };
    EXPECT_ERROR(dm_op(abi::domid_self, 0, 0), nodata);
    EXPECT_ERROR(dm_op(abi::domid_self, 3, address_of(buffers)), too_big);
    EXPECT_ERROR(dm_op(abi::domid_self, 2, unmapped), fault);
    EXPECT_ERROR(dm_op(abi::domid_self, 1, address_of(buffers)), srch);
    EXPECT_ERROR(dm_op(nobody, 1, address_of(buffers)), srch);
    if (is_dom0())
        EXPECT_ERROR(dm_op(0, 1, address_of(buffers)), perm);
    else
        EXPECT_ERROR(dm_op(0, 1, address_of(buffers)), inval);
}

void absent_calls()
{
    for (const HypercallNumber number :
         {HypercallNumber::domctl, HypercallNumber::sysctl, HypercallNumber::platform_op})
        EXPECT_ERROR(hypercall(number, hole), fault);
    EXPECT_ERROR(hypercall(HypercallNumber::xenpmu_op, 4, 0), opnotsupp);
    static abi::McaOp mca{};
    if (is_dom0()) {
        EXPECT_ERROR(hypercall(HypercallNumber::mca, unmapped), fault);
        EXPECT_ERROR(hypercall(HypercallNumber::mca, address_of(mca)), acces); // version 0
        mca.interface_version = abi::mca_interface_version;
        mca.cmd = static_cast<abi::McaCmd>(99);
        EXPECT_ERROR(hypercall(HypercallNumber::mca, address_of(mca)), inval);
    } else {
        EXPECT_ERROR(hypercall(HypercallNumber::kexec_op, 0, 0), perm);
        for (const u64 command : {0, 1, 2, 99})
            EXPECT_ERROR(hypercall(HypercallNumber::hypfs_op, command, 0, 0, 0, 0), perm);
        EXPECT_ERROR(hypercall(HypercallNumber::mca, 0), perm);
    }
    EXPECT_ERROR(hypercall(HypercallNumber::nmi_op, 2, 0), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::nmi_op, 0, unmapped), fault);
}

}

void xylem_main()
{
    periodic_timers(); // first: the one that runs from the start
    event_channels();
    grants();
    memory();
    page_tables();
    vcpus();
    scheduling();
    devices();
    compat_forms();
    versions();
    absent_calls();
    calls_for_hvm();
    all_ports();
    if (is_dom0())
        fifo();
    finish_test();
}

// How long does a hypercall run before it asks whether there is something better to do? For each call with what is
// worst for it, the longest stretch is measured, in ticks of the time stamp counter, which under QEMU's `-icount
// shift=0` are instructions. (tests/system/budget.py)
//
// An event is made pending, unmasked, before each attempt. The first preemption point then ends the attempt: the upcall
// comes with the call still to be made, is counted, and the call is attempted again, until it has come to its end.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/memory.hpp"
#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

// ---- The measuring

extern "C" {
u64 budget_started;         ///< when the attempt under way began
abi::VcpuInfo* budget_info; ///< where its event is made pending
extern char budget_attempt[], budget_syscall[];
i64 budget_call(u64 number, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
}

asm(R"(
    .text
    .globl budget_call, budget_attempt, budget_syscall
budget_call:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    push %rax
    push %rdx
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, budget_started(%rip)
    pop %rdx
    pop %rax
budget_attempt:
    mov budget_info(%rip), %r9
    movb $1, (%r9)
    movb $0, 1(%r9)
budget_syscall:
    syscall
    ret
)");

namespace {

constexpr u64 flag_if = 0x200;
static_assert(offsetof(abi::VcpuInfo, evtchn_upcall_pending) == 0 && offsetof(abi::VcpuInfo, evtchn_upcall_mask) == 1);

bool measuring;
u64 longest, attempts;

u64 now()
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

bool count_attempt(TrapFrame& frame)
{
    const u64 ended = now();
    budget_info->evtchn_upcall_pending = 0;
    if (!measuring)
        return true;
    if (ended - budget_started > longest)
        longest = ended - budget_started;
    ++attempts;
    if (frame.rip == reinterpret_cast<u64>(budget_syscall)) {
        frame.rip = reinterpret_cast<u64>(budget_attempt);
        frame.rflags &= ~flag_if; // the event becomes pending before it is unmasked
        budget_started = now();
    }
    return true;
}

/// Makes the call, and prints a line of the table. @return its result
i64 measure(const char* what, HypercallNumber number, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0)
{
    longest = attempts = 0;
    measuring = true;
    const i64 result = budget_call(static_cast<u64>(number), a1, a2, a3, a4, 0);
    measuring = false;
    print("budget | {} | {} | {} | {}\n", what, result, attempts, longest);
    return result;
}
template <typename T> u64 address_in(T* list)
{
    return reinterpret_cast<u64>(list);
}

void expect(bool good, const char* what)
{
    if (!good)
        error(what);
}

// ---- Paging

constexpr u64 table_flags =
    abi::pte::present | abi::pte::writable | abi::pte::user | abi::pte::accessed | abi::pte::dirty;
/// Pages that nothing else is in: they need no mapping of their own.
constexpr u64 first_free_pfn = 8192;

u64* full_table(u64 first_pfn)
{
    auto* table = static_cast<u64*>(allocate_page());
    for (u64 i = 0; i < abi::page_table_entries; ++i)
        table[i] = mfn_of_pfn(first_pfn + i) << page_shift | table_flags;
    expect(make_read_only(table) == 0, "a table cannot be made read-only");
    return table;
}

u64 mmu_updates(const char* what, const abi::MmuUpdate* list, u64 count)
{
    return static_cast<u64>(measure(what, HypercallNumber::mmu_update, address_in(list), count, 0, abi::domid_self));
}
i64 mmuext_ops(const char* what, const abi::MmuextOp* list, u64 count)
{
    return measure(what, HypercallNumber::mmuext_op, address_in(list), count, 0, abi::domid_self);
}
abi::MmuextOp mmuext_op(abi::MmuextCmd command, u64 arg1, u64 arg2 = 0)
{
    abi::MmuextOp op{};
    op.cmd = command;
    op.arg1.linear_addr = arg1;
    op.arg2.src_mfn = arg2;
    return op;
}

void updates()
{
    u64* const one = full_table(first_free_pfn);
    u64* const other = full_table(first_free_pfn + 512);
    const void* const spare = address_of_pfn(u64{1} << 17); // an L2 entry that is not used
    const u64 entry = machine_address_of_entry(spare, 2);
    abi::MmuUpdate update{entry, mfn_of_address(one) << page_shift | table_flags};
    mmu_updates("mmu_update: an L2 entry gets a full table", &update, 1);
    update.val = mfn_of_address(other) << page_shift | table_flags;
    mmu_updates("mmu_update: a full table takes the place of another", &update, 1);

    static abi::MmuUpdate list[1024];
    for (u64 i = 0; i < 1024; ++i)
        list[i] = {(mfn_of_address(other) << page_shift) + i % 512 * 8,
                   i < 512 ? 0 : mfn_of_pfn(first_free_pfn + i) << page_shift | table_flags};
    mmu_updates("mmu_update: 1024 entries", list, 1024);
    measure("update_va_mapping, with a flush", HypercallNumber::update_va_mapping, address_in(spare),
            mfn_of_pfn(first_free_pfn) << page_shift | kernel_page, abi::uvmf_tlb_flush | abi::uvmf_all);
    update.val = 0;
    mmu_updates("mmu_update: an L2 entry loses its full table", &update, 1);

    abi::MmuextOp op = mmuext_op(abi::MmuextCmd::pin_l1_table, mfn_of_address(one));
    mmuext_ops("mmuext_op: pin a full L1 table", &op, 1);
    op.cmd = abi::MmuextCmd::unpin_table;
    mmuext_ops("mmuext_op: unpin a full L1 table", &op, 1);
}

void trees()
{
    constexpr u64 tables = 12;
    auto* const l4 = static_cast<u64*>(allocate_page());
    auto* const l3 = static_cast<u64*>(allocate_page());
    auto* const l2 = static_cast<u64*>(allocate_page());
    for (u64 i = 0; i < tables; ++i)
        l2[i * 40] = mfn_of_address(full_table(first_free_pfn + i * 512)) << page_shift | table_flags;
    l3[511] = mfn_of_address(l2) << page_shift | table_flags;
    l4[511] = mfn_of_address(l3) << page_shift | table_flags;
    for (u64* table : {l2, l3, l4})
        expect(make_read_only(table) == 0, "a table cannot be made read-only");
    abi::MmuextOp op = mmuext_op(abi::MmuextCmd::pin_l4_table, mfn_of_address(l4));
    mmuext_ops("mmuext_op: pin a tree of 12 full tables", &op, 1);
    op.cmd = abi::MmuextCmd::unpin_table;
    mmuext_ops("mmuext_op: unpin a tree of 12 full tables", &op, 1);

    static abi::MmuextOp list[64];
    for (u64 i = 0; i < 64; ++i)
        list[i] = mmuext_op(abi::MmuextCmd::clear_page, mfn_of_pfn(first_free_pfn + i));
    mmuext_ops("mmuext_op: clear 64 pages", list, 64);
    for (u64 i = 0; i < 64; ++i)
        list[i] =
            mmuext_op(abi::MmuextCmd::copy_page, mfn_of_pfn(first_free_pfn + i), mfn_of_pfn(first_free_pfn + 100));
    mmuext_ops("mmuext_op: copy 64 pages", list, 64);
    for (u64 i = 0; i < 64; ++i)
        list[i] = mmuext_op(abi::MmuextCmd::tlb_flush_all, 0);
    mmuext_ops("mmuext_op: flush all translations 64 times", list, 64);
}

void descriptors()
{
    constexpr u64 pages = 14, data_descriptor = 0x00cf'f200'0000'ffff;
    u64 frames[pages];
    for (u64& frame : frames) {
        auto* table = static_cast<u64*>(allocate_page());
        for (u64 i = 1; i < 512; ++i)
            table[i] = data_descriptor;
        expect(make_read_only(table) == 0, "a descriptor table cannot be made read-only");
        frame = mfn_of_address(table);
    }
    measure("set_gdt: 14 pages", HypercallNumber::set_gdt, address_in(frames), pages * 512);
    measure("set_gdt: none, after 14 pages", HypercallNumber::set_gdt, 0, 0);
}

// ---- Memory

i64 memory_op(const char* what, abi::MemoryCmd command, const void* argument)
{
    return measure(what, HypercallNumber::memory_op, static_cast<u64>(command), address_in(argument));
}

void reservations()
{
    constexpr u64 first = first_free_pfn + 8192;
    static u64 frames[4096];
    for (u64 i = 0; i < 4096; ++i)
        frames[i] = mfn_of_pfn(first + i);
    abi::MemoryReservation singles{{address_in(frames)}, 4096, 0, 0, abi::domid_self};
    memory_op("memory_op: decrease_reservation, 4096 frames", abi::MemoryCmd::decrease_reservation, &singles);
    for (u64 i = 0; i < 512; ++i)
        frames[i] = first + i;
    singles.nr_extents = 512;
    memory_op("memory_op: populate_physmap, 512 frames", abi::MemoryCmd::populate_physmap, &singles);

    static u64 run = first + 1024;
    abi::MemoryReservation large{{address_in(&run)}, 1, 9, 0, abi::domid_self};
    memory_op("memory_op: populate_physmap, a run of 512", abi::MemoryCmd::populate_physmap, &large);
    memory_op("memory_op: decrease_reservation, a run of 512", abi::MemoryCmd::decrease_reservation, &large);
    memory_op("memory_op: increase_reservation, a run of 512", abi::MemoryCmd::increase_reservation, &large);
    static u64 out[512];
    for (u64 i = 0; i < 512; ++i)
        out[i] = first + 1024 + i;
    abi::MemoryExchange exchange{large, {{address_in(out)}, 512, 0, 0, abi::domid_self}, 0};
    memory_op("memory_op: exchange, a run of 512 for as many frames", abi::MemoryCmd::exchange, &exchange);
    exchange = {{{address_in(out)}, 512, 0, 0, abi::domid_self}, large, 0};
    memory_op("memory_op: exchange, 512 frames for a run", abi::MemoryCmd::exchange, &exchange);
}

// ---- Events

template <typename T> i64 event_op(abi::EvtchnCmd command, T& argument)
{
    return hypercall(HypercallNumber::event_channel_op, static_cast<u64>(command), address_of(argument));
}
template <typename T> i64 measure_event_op(const char* what, abi::EvtchnCmd command, T& argument)
{
    return measure(what, HypercallNumber::event_channel_op, static_cast<u64>(command), address_of(argument));
}

/// Joins ports of our own in pairs until there are none. @return the last pair's second end
u32 join_all_ports(u32 most)
{
    u32 last = 0;
    while (last < most) {
        abi::EvtchnAllocUnbound unbound{abi::domid_self, abi::domid_self, 0};
        if (event_op(abi::EvtchnCmd::alloc_unbound, unbound) != 0)
            break;
        abi::EvtchnBindInterdomain bind{abi::domid_self, unbound.port, 0};
        if (event_op(abi::EvtchnCmd::bind_interdomain, bind) != 0)
            break;
        last = bind.local_port;
    }
    return last;
}

void events()
{
    constexpr u32 linked = u32{1} << abi::evtchn_fifo_linked, fifo_ports = 7000;
    const u32 last = join_all_ports(4095);
    expect(last > 4000, "there are few ports");
    for (u64& word : shared_info().evtchn_pending)
        word = ~u64{0};
    abi::EvtchnAllocUnbound one_more{abi::domid_self, abi::domid_self, 0};
    measure_event_op("event_channel_op: alloc_unbound, with 4095 ports", abi::EvtchnCmd::alloc_unbound, one_more);
    abi::EvtchnInitControl control{mfn_of_address(allocate_page()), 0, 0, 17, {}};
    measure_event_op("event_channel_op: init_control, 4095 ports pending", abi::EvtchnCmd::init_control, control);
    static u32* words[8];
    const auto expand = [&](u64 index, const char* what) {
        words[index] = static_cast<u32*>(allocate_page());
        abi::EvtchnExpandArray page{mfn_of_address(words[index])};
        measure_event_op(what, abi::EvtchnCmd::expand_array, page);
    };
    expand(0, "event_channel_op: expand_array, 1024 ports pending");
    for (u64 i = 1; i < 8; ++i)
        expand(i, "event_channel_op: expand_array, the next");
    const u32 end = join_all_ports(fifo_ports);
    for (u32 port = 1; port <= end; ++port) {
        abi::EvtchnClose close{port};
        (void)event_op(abi::EvtchnCmd::close, close);
        words[port / 1024][port % 1024] |= linked;
    }
    measure_event_op("event_channel_op: alloc_unbound, the closed ports still linked", abi::EvtchnCmd::alloc_unbound,
                     one_more);
    for (u32 port = 1; port <= end; ++port)
        words[port / 1024][port % 1024] = 0;
    join_all_ports(fifo_ports);
    abi::EvtchnReset reset{abi::domid_self};
    measure_event_op("event_channel_op: reset, with 7000 ports", abi::EvtchnCmd::reset, reset);
}

// ---- Grants

template <typename T> i64 measure_grant_op(const char* what, abi::GnttabCmd command, T* list, u64 count)
{
    return measure(what, HypercallNumber::grant_table_op, static_cast<u64>(command), address_in(list), count);
}

void grants()
{
    constexpr u64 count = 64;
    const abi::RawDomId own = own_domain_id();
    auto* const window = static_cast<u8*>(allocate_page());
    auto* const page = allocate_page();
    expect(grant_entries() != nullptr, "there is no grant table");
    grant(8, own, page);
    static u64 frames[64];
    abi::GnttabSetupTable setup{abi::domid_self, 32, abi::GnttabStatus::eagain, {address_in(frames)}};
    measure_grant_op("grant_table_op: setup_table, 32 frames", abi::GnttabCmd::setup_table, &setup, 1);

    static abi::GnttabMapGrantRef maps[count];
    for (auto& map : maps) {
        map.host_addr = address_in(window);
        map.flags = abi::gntmap_device_map;
        map.ref = 8;
        map.dom = own;
    }
    measure_grant_op("grant_table_op: map 64", abi::GnttabCmd::map_grant_ref, maps, count);
    static abi::GnttabUnmapGrantRef unmaps[count];
    for (u64 i = 0; i < count; ++i)
        unmaps[i] = {0, maps[i].dev_bus_addr, maps[i].handle, abi::GnttabStatus::eagain};
    measure_grant_op("grant_table_op: unmap 64", abi::GnttabCmd::unmap_grant_ref, unmaps, count);

    static abi::GnttabCopy copies[count];
    for (auto& copy : copies) {
        copy.source.u.ref = 8;
        copy.source.domid = own;
        copy.dest.u.gmfn = mfn_of_pfn(first_free_pfn);
        copy.dest.domid = abi::domid_self;
        copy.len = page_size;
        copy.flags = abi::gntcopy_source_gref;
    }
    measure_grant_op("grant_table_op: copy 64 pages", abi::GnttabCmd::copy, copies, count);
}

// ---- The rest

void others()
{
    static abi::TrapInfo traps[257];
    for (u64 i = 0; i < 256; ++i)
        traps[i] = {static_cast<u8>(i), 0, 0xe033, u64{1} << 40};
    traps[256] = {};
    // They are set again below: the last table counts.
    measure("set_trap_table: 256 vectors", HypercallNumber::set_trap_table, address_in(traps));

    static abi::MulticallEntry list[256];
    for (auto& entry : list)
        entry = {static_cast<u64>(HypercallNumber::xen_version), 0, {}};
    measure("multicall: 256 calls", HypercallNumber::multicall, address_in(list), 256);

    static abi::RawPort ports[abi::sched_poll_max_ports];
    for (u32 i = 0; i < abi::sched_poll_max_ports; ++i)
        ports[i] = i;
    abi::SchedPoll poll{};
    poll.ports.address = address_in(ports);
    poll.nr_ports = abi::sched_poll_max_ports;
    poll.timeout = 1;
    measure("sched_op: poll 128 ports", HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::poll),
            address_of(poll));

    static u64 chunks[64];
    abi::MachphysMfnList m2p{64, {address_in(chunks)}, 0};
    memory_op("memory_op: machphys_mfn_list", abi::MemoryCmd::machphys_mfn_list, &m2p);
    static abi::E820Entry map[128];
    abi::MemoryMap memory_map{128, {address_in(map)}};
    memory_op("memory_op: machine_memory_map", abi::MemoryCmd::machine_memory_map, &memory_map);
    static char text[300];
    for (char& letter : text)
        letter = '\n';
    if (is_dom0())
        measure("console_io: write 300 bytes", HypercallNumber::console_io, 0, sizeof text, address_in(text));
}

}

void xylem_main()
{
    budget_info = &shared_info().vcpu_info[0];
    set_trap_handler(vector_event, count_attempt);
    updates();
    trees();
    descriptors();
    reservations();
    grants();
    events();
    others();
    finish_test();
}

// memory_op: reservations, exchanges and maps; what comes back, and what is refused.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/memory.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;
using abi::MemoryCmd;

namespace {

template <typename T> i64 memory_op(MemoryCmd cmd, T& argument)
{
    return hypercall(HypercallNumber::memory_op, static_cast<u64>(cmd), address_of(argument));
}

i64 current_reservation()
{
    abi::MemoryDomain who{abi::domid_self};
    return memory_op(MemoryCmd::current_reservation, who);
}

abi::MemoryReservation reservation(u64* list, u64 count = 1, u32 order = 0, abi::RawDomId domid = abi::domid_self)
{
    return {{reinterpret_cast<u64>(list)}, count, order, 0, domid};
}

void numbers()
{
    EXPECT_TRUE(hypercall(HypercallNumber::memory_op, static_cast<u64>(MemoryCmd::maximum_ram_page)) > 0);
    EXPECT(current_reservation(), start_info().nr_pages);
    abi::MemoryDomain who{abi::domid_self};
    EXPECT_TRUE(memory_op(MemoryCmd::maximum_reservation, who) >= current_reservation());
    who.domid = 1234;
    EXPECT_ERROR(memory_op(MemoryCmd::current_reservation, who), srch);
    EXPECT_ERROR(memory_op(static_cast<MemoryCmd>(40), who), nosys);
    EXPECT_ERROR(memory_op(static_cast<MemoryCmd>(8), who), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::memory_op, static_cast<u64>(MemoryCmd::current_reservation), 0x5000),
                 fault);
}

void give_and_take()
{
    auto* page = static_cast<u64*>(allocate_page());
    const u64 pfn = pfn_of(page), before = static_cast<u64>(current_reservation());
    u64 frame = mfn_of_address(page);
    EXPECT(update_va_mapping(page, 0), 0);
    auto request = reservation(&frame);
    EXPECT(memory_op(MemoryCmd::decrease_reservation, request), 1);
    EXPECT(current_reservation(), before - 1);
    EXPECT(pfn_of_mfn(frame), abi::invalid_m2p_entry);
    EXPECT_TRUE(update_va_mapping(page, frame << page_shift | kernel_page) < 0); // ours no more
    EXPECT(memory_op(MemoryCmd::decrease_reservation, request), 0);
    frame = pfn;
    EXPECT(memory_op(MemoryCmd::populate_physmap, request), 1);
    EXPECT(current_reservation(), before);
    EXPECT(pfn_of_mfn(frame), pfn);
    EXPECT(update_va_mapping(page, frame << page_shift | kernel_page), 0);
    page[0] = 1;
    EXPECT(update_va_mapping(page, 0), 0);

    // No error, but a count.
    request = reservation(&frame, 1, 0, 1234);
    EXPECT(memory_op(MemoryCmd::populate_physmap, request), 0);
    EXPECT(hypercall(HypercallNumber::memory_op, static_cast<u64>(MemoryCmd::populate_physmap), 0x5000), 0);
    u64 wrong = pfn;
    request = reservation(&wrong, 1, 20);
    EXPECT(memory_op(MemoryCmd::populate_physmap, request), 0);
    request = reservation(reinterpret_cast<u64*>(0x5000));
    EXPECT(memory_op(MemoryCmd::decrease_reservation, request), 0);
    wrong = 0xfffffff;
    request = reservation(&wrong);
    EXPECT(memory_op(MemoryCmd::decrease_reservation, request), 0);
    EXPECT(current_reservation(), before);
}

void exchanges()
{
    auto* page = static_cast<u64*>(allocate_page());
    const u64 pfn = pfn_of(page), before = static_cast<u64>(current_reservation());
    u64 in = mfn_of_address(page), out = pfn;
    const auto request = [&] { return abi::MemoryExchange{reservation(&in), reservation(&out), 0}; };
    auto exchange = request();
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), inval); // still mapped
    EXPECT(exchange.nr_exchanged, 0);
    EXPECT(update_va_mapping(page, 0), 0);
    exchange = request();
    exchange.out.nr_extents = 2;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), inval);
    exchange = request();
    exchange.out.domid = 0x7ff1;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), inval);
    exchange = request();
    exchange.nr_exchanged = 2;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), inval);
    exchange = request();
    exchange.in.extent_order = exchange.out.extent_order = 20;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), perm);
    exchange = request();
    exchange.in.extent_start.address = 0xffff830000000000;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), fault);
    exchange = request();
    exchange.out.extent_start.address = 0xffff830000000000;
    EXPECT_ERROR(memory_op(MemoryCmd::exchange, exchange), fault);
    exchange = request();
    exchange.nr_exchanged = 1;
    EXPECT(memory_op(MemoryCmd::exchange, exchange), 0);
    exchange = request();
    EXPECT(memory_op(MemoryCmd::exchange, exchange), 0);
    EXPECT(exchange.nr_exchanged, 1);
    EXPECT(pfn_of_mfn(out), pfn);
    EXPECT(current_reservation(), before);
    EXPECT(update_va_mapping(page, out << page_shift | kernel_page), 0);
    page[0] = 1;
}

void maps()
{
    static abi::E820Entry ranges[128];
    abi::MemoryMap map{128, {address_of(ranges)}};
    if (is_dom0()) {
        EXPECT_ERROR(memory_op(MemoryCmd::memory_map, map), nosys);
        EXPECT(memory_op(MemoryCmd::machine_memory_map, map), 0);
        EXPECT_TRUE(map.nr_entries > 2 && map.nr_entries < 128);
        map.nr_entries = 1;
        EXPECT_ERROR(memory_op(MemoryCmd::machine_memory_map, map), inval);
    } else {
        EXPECT(memory_op(MemoryCmd::memory_map, map), 0);
        EXPECT_ERROR(memory_op(MemoryCmd::machine_memory_map, map), perm);
    }
    abi::MachphysMapping mapping{};
    EXPECT(memory_op(MemoryCmd::machphys_mapping, mapping), 0);
    EXPECT(mapping.v_start, abi::mach2phys_virt_start);
    EXPECT(mapping.v_end, abi::mach2phys_virt_end);
    abi::AddToPhysmap add{abi::domid_self, 0, abi::MapSpace::shared_info, 0, 0};
    EXPECT_ERROR(memory_op(MemoryCmd::add_to_physmap, add), acces);
    add.space = abi::MapSpace::gmfn_foreign;
    EXPECT_ERROR(memory_op(MemoryCmd::add_to_physmap, add), nosys);
    abi::RemoveFromPhysmap remove{abi::domid_self, 0};
    EXPECT_ERROR(memory_op(MemoryCmd::remove_from_physmap, remove), acces);
    u64 frames[1];
    abi::MemAcquireResource resource{1234, abi::ResourceType::grant_table, 0, 1, 0, 0, {address_of(frames)}};
    EXPECT_ERROR(memory_op(MemoryCmd::acquire_resource, resource), srch);
    resource.domid = abi::domid_self;
    EXPECT_ERROR(memory_op(MemoryCmd::acquire_resource, resource), srch);
    resource.pad = 1;
    EXPECT_ERROR(memory_op(MemoryCmd::acquire_resource, resource), inval);
}

}

void xylem_main()
{
    numbers();
    give_and_take();
    exchanges();
    maps();
    finish_test();
}

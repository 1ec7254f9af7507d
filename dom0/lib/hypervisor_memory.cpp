// What a domain is built with: memory_op, mmuext_op, event_channel_op. (hypervisor.hpp)
#include "dom0/lib/hypervisor_support.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/memory.hpp"

#include <cstring>

namespace xylem::dom0 {

using abi::HypercallNumber;

std::size_t Hypervisor::populate(DomId domain, std::span<u64> frames, unsigned order)
{
    Bounce<u64> list(privcmd_, std::span<const u64>(frames));
    abi::MemoryReservation wanted{};
    wanted.extent_start = {list.address()};
    wanted.nr_extents = frames.size();
    wanted.extent_order = order;
    wanted.domid = domain.value;
    Bounce<abi::MemoryReservation> argument(privcmd_, wanted);
    const i64 done = privcmd_.call_long(number_of(HypercallNumber::memory_op),
                                        static_cast<u64>(abi::MemoryCmd::populate_physmap), argument.address());
    checked(static_cast<int>(done < 0 ? done : 0), "memory_op populate_physmap");
    std::memcpy(frames.data(), list.values().data(), static_cast<std::size_t>(done) * sizeof(u64));
    return static_cast<std::size_t>(done);
}

void Hypervisor::set_memory_map(DomId domain, u64 bytes)
{
    Bounce<abi::E820Entry> entry(privcmd_, abi::E820Entry{0, bytes, static_cast<u32>(abi::E820Type::ram)});
    Bounce<abi::ForeignMemoryMap> argument(privcmd_, abi::ForeignMemoryMap{domain.value, {1, {entry.address()}}});
    const i64 result = privcmd_.call_long(number_of(HypercallNumber::memory_op),
                                          static_cast<u64>(abi::MemoryCmd::set_memory_map), argument.address());
    checked(static_cast<int>(result), "memory_op set_memory_map");
}

std::vector<Mfn> Hypervisor::m2p_chunks(u64 end)
{
    const u64 count = (end * sizeof(u64) + m2p_chunk_bytes - 1) / m2p_chunk_bytes;
    Bounce<u64> list(privcmd_, Elements{count});
    Bounce<abi::MachphysMfnList> argument(privcmd_, abi::MachphysMfnList{static_cast<u32>(count), {list.address()}, 0});
    const i64 result = privcmd_.call_long(number_of(HypercallNumber::memory_op),
                                          static_cast<u64>(abi::MemoryCmd::machphys_mfn_list), argument.address());
    checked(static_cast<int>(result), "memory_op machphys_mfn_list");
    std::vector<Mfn> chunks;
    for (u64 frame : list.values().first(argument->nr_extents))
        chunks.emplace_back(frame);
    return chunks;
}

void Hypervisor::pin_l4(DomId domain, Mfn frame)
{
    abi::MmuextOp pin{};
    pin.cmd = abi::MmuextCmd::pin_l4_table;
    pin.arg1.mfn = frame.value;
    Bounce<abi::MmuextOp> argument(privcmd_, pin);
    checked(privcmd_.call(number_of(HypercallNumber::mmuext_op), argument.address(), 1, 0, domain.value),
            "mmuext_op pin_l4_table");
}

Port Hypervisor::alloc_unbound(DomId domain, DomId remote)
{
    Bounce<abi::EvtchnAllocUnbound> argument(privcmd_, abi::EvtchnAllocUnbound{domain.value, remote.value, 0});
    checked(privcmd_.call(number_of(HypercallNumber::event_channel_op), static_cast<u64>(abi::EvtchnCmd::alloc_unbound),
                          argument.address()),
            "event_channel_op alloc_unbound");
    return Port(argument->port);
}

}

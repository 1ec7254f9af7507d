// memory_op's maps: the domain's own, the machine's, and where the M2P is. (docs/pv-abi.md 4.1, 3.9)

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/hypercall/memory_op.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/host_memory.hpp"
#include "hypervisor/mm/m2p.hpp"

namespace xylem::hypercall {
namespace {

constexpr u32 max_domain_map_entries = 1024;

/// Writes entries for the guest as long as it has room.
class MapWriter {
public:
    explicit MapWriter(const abi::MemoryMap& map) : out_(map.buffer.address), room_(map.nr_entries) {}

    Result<void> put(u64 address, u64 size, u32 type)
    {
        if (written_ >= room_)
            return Error::Invalid;
        const u32 at = written_++;
        return out_.null() ? Result<void>{} : out_.copy_out({address, size, type}, at);
    }
    u32 written() const { return written_; }

private:
    GuestOut<abi::E820Entry> out_;
    u32 room_, written_ = 0;
};

/// Tells as reserved what of the hole [first, last) the domain may not map: the hypervisor's own devices.
Result<void> put_forbidden(MapWriter& writer, const mm::RangeSet& allowed, u64 first, u64 last)
{
    for (const mm::RangeSet::Range& range : allowed) {
        if (first >= last || range.first >= last)
            break;
        if (range.last < first)
            continue;
        if (range.first > first)
            TRY(writer.put(first << page_shift, (range.first - first) << page_shift,
                           static_cast<u32>(abi::E820Type::reserved)));
        first = range.last + 1;
    }
    // What lies beyond all that it may map in the last hole is no part of the machine.
    if (first < last && allowed.overlaps(last, ~u64{0}))
        TRY(writer.put(first << page_shift, (last - first) << page_shift, static_cast<u32>(abi::E820Type::reserved)));
    return {};
}

Result<void> put_host_map(MapWriter& writer, const mm::RangeSet& allowed)
{
    u64 covered = 0;
    for (const abi::E820Entry& entry : mm::host_memory_map()) {
        const u64 first = entry.addr >> page_shift;
        if (first > covered)
            TRY(put_forbidden(writer, allowed, covered, first));
        TRY(writer.put(entry.addr, entry.size, entry.type));
        covered = pages_for(entry.addr + entry.size);
    }
    constexpr u64 end_of_addresses = u64{1} << (52 - page_shift);
    return put_forbidden(writer, allowed, covered, end_of_addresses);
}

}

Result<i64> get_memory_map(const MemoryRequest& request)
{
    const auto argument = request.argument<abi::MemoryMap>();
    abi::MemoryMap map = TRY(argument.copy_in());
    mm::Owner& owner = request.caller().memory;
    LockGuard guard(owner.lock); // tools may be setting another map
    if (owner.memory_map_entries == 0)
        return Error::NotImplemented;
    if (map.nr_entries > owner.memory_map_entries)
        map.nr_entries = owner.memory_map_entries;
    TRY(GuestOut<abi::E820Entry>(map.buffer.address).copy_out_array(owner.memory_map, map.nr_entries));
    TRY(argument.copy_out(map));
    return 0;
}

Result<i64> set_memory_map(const MemoryRequest& request)
{
    const auto asked = TRY(request.argument<abi::ForeignMemoryMap>().copy_in());
    if (asked.map.nr_entries > max_domain_map_entries)
        return Error::Invalid;
    const DomainRef domain = TRY(request.named_domain(asked.domid));
    if (!request.caller().privileged())
        return Error::NotPermitted;
    abi::E820Entry* entries = nullptr;
    if (asked.map.nr_entries) {
        entries = mm::make_array<abi::E820Entry>(asked.map.nr_entries);
        if (!entries)
            return Error::NoMemory;
        const GuestIn<abi::E820Entry> from(asked.map.buffer.address);
        if (!from.copy_in_array(entries, asked.map.nr_entries).ok()) {
            mm::free_bytes(entries);
            return Error::Fault;
        }
    }
    abi::E820Entry* old;
    {
        LockGuard guard(domain->memory.lock);
        old = domain->memory.memory_map;
        domain->memory.memory_map_entries = asked.map.nr_entries;
        domain->memory.memory_map = entries;
    }
    if (old)
        mm::free_bytes(old);
    return 0;
}

Result<i64> machine_memory_map(const MemoryRequest& request)
{
    if (!request.caller().privileged())
        return Error::NotPermitted;
    const auto argument = request.argument<abi::MemoryMap>();
    abi::MemoryMap map = TRY(argument.copy_in());
    if (map.nr_entries < mm::host_memory_map().size() + 1)
        return Error::Invalid;
    MapWriter writer(map);
    TRY(put_host_map(writer, request.caller().memory.io_memory));
    map.nr_entries = writer.written();
    TRY(argument.copy_out(map));
    return 0;
}

Result<i64> machphys_mapping(const MemoryRequest& request)
{
    const u64 max = request.caller().is_hardware_domain ? machine::max_mfn.value : abi::mach2phys_nr_entries;
    const abi::MachphysMapping mapping{
        .v_start = abi::mach2phys_virt_start, .v_end = abi::mach2phys_virt_end, .max_mfn = max - 1};
    TRY(request.argument<abi::MachphysMapping>().copy_out(mapping));
    return 0;
}

Result<i64> machphys_mfn_list(const MemoryRequest& request)
{
    const auto argument = request.argument<abi::MachphysMfnList>();
    abi::MachphysMfnList list = TRY(argument.copy_in());
    const GuestOut<abi::RawFrame> out(list.extent_start.address);
    const u64 chunks = (machine::max_mfn.value * sizeof(u64) + mm::m2p_chunk_bytes - 1) / mm::m2p_chunk_bytes;
    Mfn last(0); // a hole repeats what stands before it
    u32 written = 0;
    for (; written < list.max_extents && written < chunks; ++written) {
        const Mfn chunk = mm::m2p_chunk(written);
        last = chunk == invalid_mfn ? last : chunk;
        TRY(out.copy_out(last.value, written));
    }
    list.nr_extents = written;
    TRY(argument.copy_out(list));
    return 0;
}

}

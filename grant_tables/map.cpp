// Mapping and unmapping granted frames.
//
// map() takes, in this order: a handle, a pin on the grant with a general reference on the frame (the handle's), type
// references, and for a processor's mapping another general reference (the entry's), then writes the page-table entry.
// What fails gives back all before it. unmap() takes the entry out, and leaves the rest to finish_unmap(): until the
// mapper's translations are flushed, its processors may still write the frame, and nobody else may be given it (XSA-234
// and others came of less).

#include "grant_tables/pin.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/data_entry.hpp"
#include "hypervisor/mm/update.hpp"

#include <bit>

namespace xylem::grant_tables {

namespace {

Use use_of(u8 halves, u8 flags)
{
    const Access access = flags & mapping_read_only ? Access::read_only : Access::writable;
    return {access, (halves & mapping_host) != 0, (halves & mapping_device) != 0};
}

/// Our flags for those of the guest.
u8 mapping_flags(u32 asked)
{
    u8 flags = 0;
    if (asked & abi::gntmap_host_map)
        flags |= mapping_host;
    if (asked & abi::gntmap_device_map)
        flags |= mapping_device;
    if (asked & abi::gntmap_readonly)
        flags |= mapping_read_only;
    if (asked & abi::gntmap_contains_pte)
        flags |= mapping_contains_pte;
    return flags;
}

u64 pte_flags(u32 asked)
{
    u64 flags = abi::pte::present | abi::pte::accessed | abi::pte::dirty | abi::pte::no_execute;
    if (!(asked & abi::gntmap_readonly))
        flags |= abi::pte::writable;
    if (asked & abi::gntmap_application_map)
        flags |= abi::pte::user;
    flags |= (u64{asked} >> abi::gntmap_guest_avail0 << abi::pte::available_shift) & abi::pte::available;
    return flags;
}

/// Where the L1 entry stands that `host_addr` means.
Result<MachineAddress> entry_address(const Mapper& mapper, u64 host_addr, u8 flags)
{
    if (flags & mapping_contains_pte)
        return MachineAddress(host_addr);
    return mm::find_l1_entry(mapper.root, VirtualAddress(host_addr));
}

/// A writable type reference that is given back unless it is kept.
class WritableType {
public:
    explicit WritableType(Mfn mfn) : mfn_(mfn), held_(mm::get_type(mfn, mm::PageType::writable).ok()) {}
    ~WritableType()
    {
        if (held_)
            mm::put_type(mfn_);
    }
    WritableType(const WritableType&) = delete;
    WritableType& operator=(const WritableType&) = delete;
    bool held() const { return held_; }
    void keep() { held_ = false; }

private:
    Mfn mfn_;
    bool held_;
};

/// Writes the page-table entry, with a general reference of its own and the type reference if it is writable.
bool map_for_host(const Mapper& mapper, DomId owner, Mfn mfn, const abi::GnttabMapGrantRef& op)
{
    Result<MachineAddress> entry = entry_address(mapper, op.host_addr, mapping_flags(op.flags));
    if (!entry.ok())
        return false;
    Result<mm::PageRef> page = mm::get_page(mfn, owner);
    if (!page.ok())
        return false;
    const u64 flags = pte_flags(op.flags);
    if (!(flags & abi::pte::writable)) {
        if (!mm::write_grant_entry(mapper.owner, entry.value(), mfn, flags).ok())
            return false;
    } else {
        WritableType type(mfn);
        if (!type.held() || !mm::write_grant_entry(mapper.owner, entry.value(), mfn, flags).ok())
            return false;
        type.keep();
    }
    page.value().release();
    return true;
}

/// Makes all mappings that `op` asks for, of a frame whose grant is pinned.
bool map_halves(const Mapper& mapper, DomId owner, Mfn mfn, const abi::GnttabMapGrantRef& op)
{
    const u8 flags = mapping_flags(op.flags);
    if ((flags & mapping_device) && !(flags & mapping_read_only)) {
        WritableType for_device(mfn);
        if (!for_device.held() || ((flags & mapping_host) && !map_for_host(mapper, owner, mfn, op)))
            return false;
        for_device.keep();
        return true;
    }
    return !(flags & mapping_host) || map_for_host(mapper, owner, mfn, op);
}

Result<u32> allocate_handle(Table& table)
{
    LockGuard guard(table.lock);
    return table.maptrack.allocate();
}

void release_handle(Table& table, u32 handle)
{
    LockGuard guard(table.lock);
    table.maptrack.release(handle);
}

void commit_handle(Table& table, u32 handle, Table& granter, Mfn mfn, const abi::GnttabMapGrantRef& op)
{
    LockGuard guard(table.lock);
    *table.maptrack.at(handle) = {.granter = &granter,
                                  .frame = static_cast<u32>(mfn.value),
                                  .ref = static_cast<u16>(op.ref),
                                  .flags = mapping_flags(op.flags),
                                  .leaving = 0};
}

Status map_with_handle(const Mapper& mapper, Table& granter, abi::GnttabMapGrantRef& op, u32 handle)
{
    const u8 flags = mapping_flags(op.flags);
    const Use use = use_of(flags & mapping_halves, flags);
    Pinned pinned = pin(granter, op.ref, mapper.table.id, use, SubPage::refused);
    if (pinned.status != Status::okay)
        return pinned.status;
    const Mfn mfn = pinned.page.mfn();
    if (!map_halves(mapper, granter.id, mfn, op)) {
        unpin(granter, op.ref, use);
        return Status::general_error;
    }
    commit_handle(mapper.table, handle, granter, mfn, op);
    pinned.page.release(); // the handle's from now on
    op.handle = handle;
    op.dev_bus_addr = address_of(mfn).value;
    return Status::okay;
}

Status map_one(const Mapper& mapper, Table& granter, abi::GnttabMapGrantRef& op)
{
    if (!(op.flags & (abi::gntmap_host_map | abi::gntmap_device_map)))
        return Status::bad_gntref;
    Result<u32> handle = allocate_handle(mapper.table);
    if (!handle.ok())
        return Status::no_space;
    const Status status = map_with_handle(mapper, granter, op, handle.value());
    if (status != Status::okay)
        release_handle(mapper.table, handle.value());
    return status;
}

/// The halves of a mapping that an operation ends, taken out of the handle so that nobody else ends them too.
struct Taken {
    Status status = Status::bad_handle;
    u8 halves = 0;
    u8 flags = 0;
    Mfn mfn{};
};

Taken take_halves(Table& table, u32 handle, bool host, u64 dev_bus_addr)
{
    Taken taken;
    LockGuard guard(table.lock);
    Mapping* mapping = table.maptrack.at(handle);
    if (!mapping || !mapping->granter || !(mapping->flags & mapping_halves))
        return taken;
    taken.mfn = Mfn(mapping->frame);
    taken.flags = mapping->flags;
    if (dev_bus_addr != 0 && (mapping->flags & mapping_device) && dev_bus_addr != address_of(taken.mfn).value) {
        taken.status = Status::bad_dev_addr;
        return taken;
    }
    taken.status = Status::okay;
    if (host)
        taken.halves |= mapping->flags & mapping_host;
    if (dev_bus_addr != 0)
        taken.halves |= mapping->flags & mapping_device;
    if (taken.halves != 0) {
        mapping->flags = static_cast<u8>(mapping->flags & ~taken.halves);
        ++mapping->leaving;
    }
    return taken;
}

/// Puts halves back that could not be unmapped.
void return_halves(Table& table, u32 handle, u8 halves)
{
    LockGuard guard(table.lock);
    Mapping& mapping = *table.maptrack.at(handle);
    mapping.flags |= halves;
    --mapping.leaving;
}

Mapping read_mapping(Table& table, u32 handle)
{
    LockGuard guard(table.lock);
    return *table.maptrack.at(handle);
}

/// The halves that left together are done. @return whether nothing is left of the mapping
bool count_down_leaving(Table& table, u32 handle)
{
    LockGuard guard(table.lock);
    Mapping& mapping = *table.maptrack.at(handle);
    --mapping.leaving;
    return !(mapping.flags & mapping_halves) && mapping.leaving == 0;
}

/// Puts what the page-table entry held.
void put_host_references(Mfn mfn, bool writable)
{
    if (writable)
        mm::put_type(mfn);
    mm::put_page(mfn);
}

/// Whether the granter's table counts what the mapping stands for.
bool is_pinned_for(const Table& mapper, const Mapping& mapping)
{
    LockGuard guard(mapping.granter->lock);
    const ActiveEntry* active = find_active(*mapping.granter, mapping.ref);
    if (!active || active->domain != mapper.id || active->frame != mapping.frame)
        return false;
    const bool writable = !(mapping.flags & mapping_read_only);
    const u8 host = writable ? active->pins.host_writers : active->pins.host_readers;
    const u8 device = writable ? active->pins.device_writers : active->pins.device_readers;
    return (!(mapping.flags & mapping_host) || host != 0) && (!(mapping.flags & mapping_device) || device != 0);
}

bool is_writable(const Taken& taken)
{
    return !(taken.flags & mapping_read_only);
}

/// Ends the halves of `handle` that have been taken, by `clear` if the processor's is among them.
template <typename Clear>
Status end_halves(Table& table, u32 handle, const Taken& taken, Clear clear, Unmapped& unmapped)
{
    if (taken.status != Status::okay || taken.halves == 0)
        return taken.status;
    if ((taken.halves & mapping_host) && !clear().ok()) {
        return_halves(table, handle, taken.halves);
        return Status::general_error;
    }
    unmapped = {handle, taken.halves};
    return Status::okay;
}

/// Puts into the grant's entry the one found at `new_addr`, which is left empty.
Result<void> replace_entry(const Mapper& mapper, u64 host_addr, u64 new_addr, const Taken& taken)
{
    const MachineAddress entry = TRY(entry_address(mapper, host_addr, taken.flags));
    const MachineAddress source = TRY(mm::find_l1_entry(mapper.root, VirtualAddress(new_addr)));
    if (entry == source)
        return Error::Invalid;
    const u64 replacement = TRY(mm::take_entry(mapper.owner, source));
    const Result<void> done = mm::clear_grant_entry(mapper.owner, entry, taken.mfn, is_writable(taken), replacement);
    if (!done.ok())
        mm::put_data_entry(replacement);
    return done.ok() ? Result<void>() : done.error();
}

}

void map(const Mapper& mapper, Table& granter, abi::GnttabMapGrantRef& op)
{
    op.status = map_one(mapper, granter, op);
}

Status unmap(const Mapper& mapper, const abi::GnttabUnmapGrantRef& op, Unmapped& unmapped)
{
    const Taken taken = take_halves(mapper.table, op.handle, op.host_addr != 0, op.dev_bus_addr);
    const auto clear = [&]() -> Result<void> {
        const MachineAddress entry = TRY(entry_address(mapper, op.host_addr, taken.flags));
        return mm::clear_grant_entry(mapper.owner, entry, taken.mfn, is_writable(taken));
    };
    return end_halves(mapper.table, op.handle, taken, clear, unmapped);
}

Status unmap_and_replace(const Mapper& mapper, const abi::GnttabUnmapAndReplace& op, Unmapped& unmapped)
{
    const Taken taken = take_halves(mapper.table, op.handle, op.host_addr != 0, 0);
    const auto clear = [&]() -> Result<void> {
        if (taken.flags & mapping_contains_pte)
            return Error::Invalid;
        return replace_entry(mapper, op.host_addr, op.new_addr, taken);
    };
    return end_halves(mapper.table, op.handle, taken, clear, unmapped);
}

void finish_unmap(Table& mapper, const Unmapped& unmapped)
{
    if (unmapped.halves == 0)
        return;
    // Until `leaving` is counted down the handle keeps its reference, and with it the granter's table.
    const Mapping mapping = read_mapping(mapper, unmapped.handle);
    const Mfn mfn(mapping.frame);
    const bool writable = !(mapping.flags & mapping_read_only);
    unpin(*mapping.granter, mapping.ref, use_of(unmapped.halves, mapping.flags));
    if ((unmapped.halves & mapping_device) && writable)
        mm::put_type(mfn);
    if (unmapped.halves & mapping_host)
        put_host_references(mfn, writable);
    if (count_down_leaving(mapper, unmapped.handle)) {
        mm::put_page(mfn);
        release_handle(mapper, unmapped.handle);
    }
}

Result<void> Table::release_mappings()
{
    for (u32 steps = 1; release_cursor < maptrack.handles(); ++release_cursor, ++steps) {
        if (steps % 64 == 0 && mm::preemption_check && mm::preemption_check())
            return Error::Preempted;
        const Mapping mapping = read_mapping(*this, release_cursor);
        if (!mapping.granter)
            continue;
        // Of a processor's half the page-table entry holds the references: they go with the page table.
        unpin(*mapping.granter, mapping.ref, use_of(mapping.flags & mapping_halves, mapping.flags));
        const Mfn mfn(mapping.frame);
        if ((mapping.flags & mapping_device) && !(mapping.flags & mapping_read_only))
            mm::put_type(mfn);
        mm::put_page(mfn);
        release_handle(*this, release_cursor);
    }
    return {};
}

Result<HeldFrame> held_frame(Table& mapper, u32 index)
{
    Mapping mapping{};
    {
        LockGuard guard(mapper.lock);
        const Mapping* found = mapper.maptrack.at(index);
        if (!found)
            return Error::Invalid;
        mapping = *found;
    }
    if (!mapping.granter)
        return Error::NoEntry;
    const bool writable = !(mapping.flags & mapping_read_only);
    return HeldFrame{.mfn = Mfn(mapping.frame),
                     .writable_type = writable && (mapping.flags & mapping_device),
                     .halves = static_cast<unsigned>(std::popcount(unsigned{mapping.flags} & mapping_halves)),
                     .pinned = is_pinned_for(mapper, mapping)};
}

}

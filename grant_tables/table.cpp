// A domain's own table: its frames, which the domain maps and writes, and operations on it as a whole.

#include "grant_tables/pin.hpp"

#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::grant_tables {

namespace {

constexpr u32 supported_version = 1;

/// Adds frames until there are `count`. Under the table's lock. @return Invalid  beyond its limit; NoMemory
Result<void> grow(Table& table, u32 count)
{
    if (count > table.frame_limit)
        return Error::Invalid;
    while (table.frame_count < count) {
        const Mfn mfn = TRY(mm::allocate_frame());
        const Result<void> shared = mm::share_hypervisor_frame(*table.owner, mfn, mm::Writable::yes);
        if (!shared.ok()) {
            mm::free_frame(mfn);
            return shared.error();
        }
        table.frames[table.frame_count++] = machine::map<abi::GrantEntryV1>(mfn);
    }
    return {};
}

bool in_use(const Table& table, abi::RawGrantRef ref)
{
    const ActiveEntry* active = find_active(table, ref);
    return active && !active->pins.none();
}

abi::GrantEntryV1& entry(Table& table, abi::RawGrantRef ref)
{
    return table.frames[ref / entries_per_frame][ref % entries_per_frame];
}

}

Result<void> Table::initialise(DomId domain, mm::Owner& memory, u32 frames_limit, u32 maptrack_frames)
{
    id = domain;
    owner = &memory;
    frame_limit = frames_limit < max_frames ? frames_limit : max_frames;
    maptrack.set_limit(maptrack_frames < max_maptrack_frames ? maptrack_frames : max_maptrack_frames);
    LockGuard guard(lock);
    return grow(*this, frame_limit == 0 ? 0 : 1);
}

Result<Mfn> Table::shared_frame(u32 index)
{
    if (index >= max_frames)
        return Error::Invalid;
    LockGuard guard(lock);
    TRY(grow(*this, index + 1));
    return machine::mfn_of_mapped(frames[index]);
}

void Table::release_frames()
{
    LockGuard guard(lock);
    frame_limit = 0;
    for (u32 i = 0; i < frame_count; ++i)
        mm::unshare_hypervisor_frame(*owner, machine::mfn_of_mapped(frames[i]));
    frame_count = 0; // the pages themselves stay for those who still map them
}

void Table::free_storage()
{
    release_frames();
    for (abi::GrantEntryV1*& page : frames) {
        if (page)
            mm::free_frame(machine::mfn_of_mapped(page));
        page = nullptr;
    }
    for (ActiveEntry*& page : active) {
        if (page)
            mm::free_frame(machine::mfn_of_mapped(page));
        page = nullptr;
    }
    maptrack.free_storage();
}

u32 frame_count(Table& table)
{
    LockGuard guard(table.lock);
    return table.frame_count;
}

u32 frame_limit(Table& table)
{
    LockGuard guard(table.lock);
    return table.frame_limit;
}

Result<void> set_version(u32 version)
{
    if (version == supported_version)
        return {};
    return version == 2 ? Error::NotImplemented : Error::Invalid;
}

Status swap_entries(Table& table, abi::RawGrantRef a, abi::RawGrantRef b)
{
    LockGuard guard(table.lock);
    const u32 entries = table.frame_count * entries_per_frame;
    if (a >= entries || b >= entries)
        return Status::bad_gntref;
    if (a == b)
        return Status::okay;
    if (in_use(table, a) || in_use(table, b))
        return Status::eagain;
    const abi::GrantEntryV1 kept = entry(table, a);
    entry(table, a) = entry(table, b);
    entry(table, b) = kept;
    return Status::okay;
}

u64 count_uses(Table& granter)
{
    LockGuard guard(granter.lock);
    u64 uses = 0;
    for (const ActiveEntry* page : granter.active)
        for (u32 i = 0; page && i < active_entries_per_page; ++i) {
            const Pins& pins = page[i].pins;
            uses += u32{pins.host_readers} + pins.host_writers + pins.device_readers + pins.device_writers;
        }
    return uses;
}

}

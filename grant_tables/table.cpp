// A domain's own table: its frames, which the domain maps and writes, and operations on it as a whole.

#include "grant_tables/pin.hpp"

#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::grant_tables {

namespace {

/// A zeroed page that the domain may map.
Result<u8*> new_shared_page(Table& table)
{
    const Mfn mfn = TRY(mm::allocate_frame());
    const Result<void> shared = mm::share_hypervisor_frame(*table.owner, mfn, mm::Writable::yes);
    if (!shared.ok()) {
        mm::free_frame(mfn);
        return shared.error();
    }
    return machine::map(mfn);
}

/// Adds frames until there are `count`. Under the table's lock. @return Invalid  beyond its limit; NoMemory
Result<void> grow(Table& table, u32 count)
{
    if (count > table.frame_limit)
        return Error::Invalid;
    if (table.version == 2)
        TRY(grow_statuses(table, count));
    while (table.frame_count < count)
        table.frames[table.frame_count++] = TRY(new_shared_page(table));
    return {};
}

bool in_use(const Table& table, abi::RawGrantRef ref)
{
    const ActiveEntry* active = find_active(table, ref);
    return active && !active->pins.none();
}

template <typename Entry> void swap_entries_of(Entry& a, Entry& b)
{
    const Entry kept = a;
    a = b;
    b = kept;
}

template <typename Page> void free_page(Page*& page)
{
    if (page)
        mm::free_frame(machine::mfn_of_mapped(page));
    page = nullptr;
}

}

u32 entry_count(const Table& table)
{
    return table.frame_count * (table.version == 1 ? entries_per_frame : entries_per_frame_v2);
}

abi::GrantEntryV1& entry_v1(const Table& table, abi::RawGrantRef ref)
{
    return reinterpret_cast<abi::GrantEntryV1*>(table.frames[ref / entries_per_frame])[ref % entries_per_frame];
}

abi::GrantEntryV2& entry_v2(const Table& table, abi::RawGrantRef ref)
{
    return reinterpret_cast<abi::GrantEntryV2*>(table.frames[ref / entries_per_frame_v2])[ref % entries_per_frame_v2];
}

u16& status_of(const Table& table, abi::RawGrantRef ref)
{
    return table.statuses[ref / statuses_per_frame][ref % statuses_per_frame];
}

Words words_of(const Table& table, abi::RawGrantRef ref)
{
    if (ref >= entry_count(table))
        return {};
    if (table.version == 1) {
        abi::GrantEntryV1& entry = entry_v1(table, ref);
        return {reinterpret_cast<volatile u32*>(&entry), &entry.flags};
    }
    return {reinterpret_cast<volatile u32*>(&entry_v2(table, ref)), &status_of(table, ref)};
}

Result<void> grow_statuses(Table& table, u32 frames)
{
    const u32 wanted = (frames * entries_per_frame_v2 + statuses_per_frame - 1) / statuses_per_frame;
    while (table.status_count < wanted)
        table.statuses[table.status_count++] = reinterpret_cast<u16*>(TRY(new_shared_page(table)));
    return {};
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

Result<Mfn> Table::status_frame(u32 index)
{
    LockGuard guard(lock);
    if (version != 2 || index >= max_status_frames)
        return Error::Invalid;
    if (index >= status_count)
        TRY(grow(*this, index * (statuses_per_frame / entries_per_frame_v2) + 1));
    return machine::mfn_of_mapped(statuses[index]);
}

void Table::release_frames()
{
    LockGuard guard(lock);
    frame_limit = 0;
    for (u32 i = 0; i < frame_count; ++i)
        mm::unshare_hypervisor_frame(*owner, machine::mfn_of_mapped(frames[i]));
    for (u32 i = 0; i < status_count; ++i)
        mm::unshare_hypervisor_frame(*owner, machine::mfn_of_mapped(statuses[i]));
    frame_count = status_count = 0; // the pages themselves stay for those who still map them
}

void Table::free_storage()
{
    release_frames();
    for (u8*& page : frames)
        free_page(page);
    for (u16*& page : statuses)
        free_page(page);
    for (ActiveEntry*& page : active)
        free_page(page);
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

u32 status_frame_count(Table& table)
{
    LockGuard guard(table.lock);
    return table.status_count;
}

u32 version(Table& table)
{
    LockGuard guard(table.lock);
    return table.version;
}

Status swap_entries(Table& table, abi::RawGrantRef a, abi::RawGrantRef b)
{
    LockGuard guard(table.lock);
    if (a >= entry_count(table) || b >= entry_count(table))
        return Status::bad_gntref;
    if (a == b)
        return Status::okay;
    if (in_use(table, a) || in_use(table, b))
        return Status::eagain;
    if (table.version == 1) {
        swap_entries_of(entry_v1(table, a), entry_v1(table, b));
    } else {
        swap_entries_of(entry_v2(table, a), entry_v2(table, b));
        swap_entries_of(status_of(table, a), status_of(table, b));
    }
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

// The change of a table from one version to the other. What was granted is forgotten, so nothing may be in use; the
// eight reserved entries alone are kept, in use or not: by them xenstored and the console daemon reach the domain.

#include "grant_tables/pin.hpp"

#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner.hpp"

#include <string.h>

namespace xylem::grant_tables {

namespace {

constexpr u32 reserved = abi::grant_nr_reserved_entries;
constexpr u16 marks = abi::gtf_reading | abi::gtf_writing;

struct Reserved {
    abi::GrantEntryV1 entries[reserved];
};

void clear_entries(Table& table)
{
    for (u32 i = 0; i < table.frame_count; ++i)
        memset(table.frames[i], 0, page_size);
}

Result<void> to_version_2(Table& table)
{
    TRY(grow_statuses(table, table.frame_count));
    Reserved kept;
    memcpy(&kept, table.frames[0], sizeof kept);
    clear_entries(table);
    table.version = 2;
    for (u32 ref = 0; ref < reserved; ++ref) {
        const abi::GrantEntryV1& entry = kept.entries[ref];
        status_of(table, ref) = entry.flags & marks;
        entry_v2(table, ref).full_page = {
            .hdr = {static_cast<u16>(entry.flags & ~marks), entry.domid}, .pad0 = 0, .frame = entry.frame};
    }
    return {};
}

/// Whether copies are under way that are bound to bytes of a page.
bool sub_page_in_use(const Table& table)
{
    for (u32 ref = 0; ref < reserved; ++ref) {
        const ActiveEntry* active = find_active(table, ref);
        if (active && active->sub_page)
            return true;
    }
    return false;
}

/// The reserved entries, as version 1 says it. @return Range  it cannot
Result<void> read_reserved(const Table& table, Reserved& kept)
{
    for (u32 ref = 0; ref < reserved; ++ref) {
        const abi::GrantEntryV2::FullPage entry = entry_v2(table, ref).full_page; // read once
        const u16 type = entry.hdr.flags & abi::gtf_type_mask;
        if (type == abi::gtf_transitive || (type == abi::gtf_permit_access && entry.frame >> 32))
            return Error::Range;
        kept.entries[ref] = {};
        if (type == abi::gtf_permit_access)
            kept.entries[ref] = {static_cast<u16>(entry.hdr.flags | status_of(table, ref)), entry.hdr.domid,
                                 static_cast<u32>(entry.frame)};
    }
    return {};
}

/// Takes the frames of statuses back from the domain, all or none: one that it still maps must not be used otherwise
/// (XSA-379, XSA-384).
Result<void> withdraw_statuses(Table& table)
{
    u32 withdrawn = 0;
    Result<void> result;
    while (result.ok() && withdrawn < table.status_count) {
        result = mm::try_unshare_hypervisor_frame(*table.owner, machine::mfn_of_mapped(table.statuses[withdrawn]));
        withdrawn += result.ok();
    }
    if (result.ok()) {
        for (; table.status_count != 0; table.statuses[table.status_count] = nullptr)
            mm::free_frame(machine::mfn_of_mapped(table.statuses[--table.status_count]));
        return {};
    }
    while (withdrawn-- > 0)
        mm::share_hypervisor_frame_again(*table.owner, machine::mfn_of_mapped(table.statuses[withdrawn]));
    return result;
}

Result<void> to_version_1(Table& table)
{
    if (sub_page_in_use(table))
        return Error::Again;
    Reserved kept;
    TRY(read_reserved(table, kept));
    TRY(withdraw_statuses(table));
    clear_entries(table);
    table.version = 1;
    memcpy(table.frames[0], &kept, sizeof kept);
    return {};
}

}

Result<void> set_version(Table& table, u32 version)
{
    if (version != 1 && version != 2)
        return Error::Invalid;
    if (version > table.max_version)
        return Error::NotImplemented;
    LockGuard guard(table.lock);
    if (table.version == version)
        return {};
    if (table.frame_count == 0)
        return Error::Invalid; // dying
    if (table.busy_entries != 0)
        return Error::Busy;
    return version == 2 ? to_version_2(table) : to_version_1(table);
}

}

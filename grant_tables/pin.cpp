// The protocol with the granter's entry.
//
// The granter may change its entry at any time. In version 1 it takes a grant back by a compare-exchange that succeeds
// only while nobody has marked the entry as being read or written; we mark it by a compare-exchange that succeeds only
// while the entry still grants what we checked. In version 2 the marks are in a word of their own: the granter clears
// the flags and then looks at the marks; we mark and then look at the flags again. In both, a use that has begun is
// known to the granter, and one that the granter has ended cannot begin.

#include "grant_tables/pin.hpp"

#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/heap.hpp"

namespace xylem::grant_tables {

namespace {

bool grants(Header header, DomId user, SubPage sub_page)
{
    const u16 mask = sub_page == SubPage::refused ? abi::gtf_type_mask | abi::gtf_sub_page : abi::gtf_type_mask;
    return (header.flags() & mask) == abi::gtf_permit_access && header.domain() == user;
}

/// What `mark` marks the entry for. A grant in use already is not checked again, but for the right to write.
struct Wanted {
    bool first;
    DomId user;
    Access access;
    SubPage sub_page;

    bool writes() const { return access == Access::writable; }
    bool allowed_by(Header header) const
    {
        return (!first || grants(header, user, sub_page)) && !(writes() && (header.flags() & abi::gtf_readonly));
    }
    u16 marks() const { return writes() ? abi::gtf_reading | abi::gtf_writing : abi::gtf_reading; }
};

bool mark_v1(volatile u32* header, const Wanted& wanted)
{
    Header seen{atomic_load(header)};
    for (unsigned attempt = 0; attempt < mark_attempts; ++attempt) {
        if (!wanted.allowed_by(seen))
            return false;
        if (atomic_compare_exchange(header, seen.word, seen.word | wanted.marks()))
            return true;
    }
    return false;
}

bool mark_v2(const Words& words, const Wanted& wanted)
{
    if (!wanted.allowed_by({atomic_load(words.header)}))
        return false;
    atomic_or(words.marks, wanted.marks());
    return wanted.allowed_by({atomic_load(words.header)}); // what is refused now is unmarked by the caller
}

/// What an entry says that it grants.
struct Granted {
    u64 frame;
    u16 page_off = 0, length = page_size;
    bool sub_page = false;
    bool is(const ActiveEntry& active) const
    {
        return active.frame == frame && active.page_off == page_off && active.length == length &&
               active.sub_page == sub_page;
    }
};

Granted read_granted(const Table& table, abi::RawGrantRef ref, SubPage sub_page)
{
    if (table.version == 1)
        return {.frame = atomic_load(&entry_v1(table, ref).frame)};
    const abi::GrantEntryV2::SubPage& entry =
        entry_v2(table, ref).sub_page; // the frame stands where a full page's does
    Granted granted{.frame = atomic_load(&entry.frame)};
    if (sub_page == SubPage::accepted && (atomic_load(&entry.hdr.flags) & abi::gtf_sub_page)) {
        granted.page_off = atomic_load(&entry.page_off);
        granted.length = atomic_load(&entry.length);
        granted.sub_page = true;
    }
    return granted;
}

/// Takes off the marks for which no use is left.
void unmark(Table& granter, abi::RawGrantRef ref, const ActiveEntry& active)
{
    const Words words = words_of(granter, ref);
    if (!words.header)
        return; // the granter is dying, and its table gone
    u16 done = 0;
    if (!active.pins.written())
        done |= abi::gtf_writing;
    if (active.pins.none())
        done |= abi::gtf_reading;
    if (done != 0)
        atomic_and(words.marks, static_cast<u16>(~done));
}

ActiveEntry* active_or_new(Table& table, abi::RawGrantRef ref)
{
    ActiveEntry*& page = table.active[ref / active_entries_per_page];
    if (!page) {
        Result<Mfn> fresh = mm::allocate_frame();
        if (!fresh.ok())
            return nullptr;
        page = machine::map<ActiveEntry>(fresh.value());
    }
    return &page[ref % active_entries_per_page];
}

/// Adds one to each count that `use` stands for. @return false, with nothing changed, if one is at its end
bool count_up(Pins& pins, Use use)
{
    const bool writes = use.access == Access::writable;
    u8& host = writes ? pins.host_writers : pins.host_readers;
    u8& device = writes ? pins.device_writers : pins.device_readers;
    if ((use.host && host == 0xFF) || (use.device && device == 0xFF))
        return false;
    host = static_cast<u8>(host + use.host);
    device = static_cast<u8>(device + use.device);
    return true;
}

void count_down(Pins& pins, Use use)
{
    const bool writes = use.access == Access::writable;
    u8& host = writes ? pins.host_writers : pins.host_readers;
    u8& device = writes ? pins.device_writers : pins.device_readers;
    host = static_cast<u8>(host - use.host);
    device = static_cast<u8>(device - use.device);
}

}

ActiveEntry* find_active(const Table& table, abi::RawGrantRef ref)
{
    if (ref >= max_frames * entries_per_frame)
        return nullptr;
    ActiveEntry* page = table.active[ref / active_entries_per_page];
    return page ? &page[ref % active_entries_per_page] : nullptr;
}

namespace {

/// Whether the entry lets this use begin beside those that there are. Marks it if it must.
/// @param granted  what is granted; in: what the hypervisor knows of it
bool begin_use(Table& granter, abi::RawGrantRef ref, const ActiveEntry& active, const Wanted& wanted, Granted& granted)
{
    const bool upgrade = !wanted.first && wanted.writes() && !active.pins.written();
    if (!wanted.first && !upgrade)
        return true;
    const Words words = words_of(granter, ref);
    if (!(granter.version == 1 ? mark_v1(words.header, wanted) : mark_v2(words, wanted)))
        return false;
    if (wanted.first)
        granted = read_granted(granter, ref, wanted.sub_page);
    // Xen lets a copy that is the first to write read the entry again, and insists that it says the same.
    return wanted.first || wanted.sub_page == SubPage::refused ||
           read_granted(granter, ref, wanted.sub_page).is(active);
}

}

Pinned pin(Table& granter, abi::RawGrantRef ref, DomId user, Use use, SubPage sub_page)
{
    Pinned result;
    LockGuard guard(granter.lock);
    if (!words_of(granter, ref).header) {
        result.status = Status::bad_gntref;
        return result;
    }
    ActiveEntry* active = active_or_new(granter, ref);
    if (!active)
        return result;

    const Wanted wanted{active->pins.none(), user, use.access, sub_page};
    if (!wanted.first && (active->domain != user || (active->sub_page && sub_page == SubPage::refused)))
        return result;
    Pins counted = active->pins;
    if (!count_up(counted, use))
        return result;
    Granted granted{active->frame, active->page_off, active->length, active->sub_page};
    if (!begin_use(granter, ref, *active, wanted, granted)) {
        unmark(granter, ref, *active); // whatever other uses there are keep their marks
        return result;
    }
    Result<mm::PageRef> page = mm::get_page(Mfn(granted.frame), granter.id);
    if (!page.ok()) {
        result.status = Status::bad_page;
        unmark(granter, ref, *active);
        return result;
    }
    granter.busy_entries += wanted.first && ref >= abi::grant_nr_reserved_entries;
    *active = {.frame = static_cast<u32>(granted.frame),
               .domain = user,
               .page_off = granted.page_off,
               .length = granted.length,
               .pins = counted,
               .sub_page = granted.sub_page};
    result.status = Status::okay;
    result.page = page.take();
    result.page_off = granted.page_off;
    result.length = granted.length;
    return result;
}

void unpin(Table& granter, abi::RawGrantRef ref, Use use)
{
    LockGuard guard(granter.lock);
    ActiveEntry& active = *find_active(granter, ref);
    count_down(active.pins, use);
    unmark(granter, ref, active);
    if (active.pins.none()) {
        granter.busy_entries -= ref >= abi::grant_nr_reserved_entries;
        active = {};
    }
}

}

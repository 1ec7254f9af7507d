// The protocol with the granter's entry, version 1.
//
// The granter may change its entry at any time. It takes a grant back by a compare-exchange that succeeds only while
// nobody has marked the entry as being read or written; we mark it by a compare-exchange that succeeds only while the
// entry still grants what we checked. So a use that has begun is known to the granter, and one that the granter has
// ended cannot begin.

#include "grant_tables/pin.hpp"

#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/heap.hpp"

namespace xylem::grant_tables {

namespace {

/// An entry that changes between our look and our mark is looked at again, but a granter that does it on purpose is
/// given up.
constexpr unsigned mark_attempts = 5;

abi::GrantEntryV1* shared_entry(const Table& table, abi::RawGrantRef ref)
{
    const u32 frame = ref / entries_per_frame;
    return frame < table.frame_count ? &table.frames[frame][ref % entries_per_frame] : nullptr;
}

/// Flags and domain of an entry, which are checked and marked as one word.
struct Header {
    u32 word;
    u16 flags() const { return static_cast<u16>(word); }
    DomId domain() const { return DomId(static_cast<u16>(word >> 16)); }
};

volatile u32* header_of(abi::GrantEntryV1& entry)
{
    return reinterpret_cast<volatile u32*>(&entry);
}

bool grants(Header header, DomId user, SubPage sub_page)
{
    const u16 mask = sub_page == SubPage::refused ? abi::gtf_type_mask | abi::gtf_sub_page : abi::gtf_type_mask;
    return (header.flags() & mask) == abi::gtf_permit_access && header.domain() == user;
}

/// Marks the entry as being read, and written if `access` says so. A grant in use already is not checked again, but for
/// the right to write.
bool mark(abi::GrantEntryV1& entry, const ActiveEntry& active, DomId user, Access access, SubPage sub_page)
{
    volatile u32* header = header_of(entry);
    Header seen{atomic_load(header)};
    for (unsigned attempt = 0; attempt < mark_attempts; ++attempt) {
        if (active.pins.none() && !grants(seen, user, sub_page))
            return false;
        u32 marked = seen.word | abi::gtf_reading;
        if (access == Access::writable) {
            if (seen.flags() & abi::gtf_readonly)
                return false;
            marked |= abi::gtf_writing;
        }
        if (atomic_compare_exchange(header, seen.word, marked))
            return true;
    }
    return false;
}

/// Takes off the marks for which no use is left.
void unmark(Table& granter, abi::RawGrantRef ref, const ActiveEntry& active)
{
    abi::GrantEntryV1* entry = shared_entry(granter, ref);
    if (!entry)
        return; // the granter is dying, and its table gone
    u32 done = 0;
    if (!active.pins.written())
        done |= abi::gtf_writing;
    if (active.pins.none())
        done |= abi::gtf_reading;
    if (done != 0)
        atomic_and(header_of(*entry), ~done);
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
    if (ref / entries_per_frame >= max_frames)
        return nullptr;
    ActiveEntry* page = table.active[ref / active_entries_per_page];
    return page ? &page[ref % active_entries_per_page] : nullptr;
}

Pinned pin(Table& granter, abi::RawGrantRef ref, DomId user, Use use, SubPage sub_page)
{
    Pinned result;
    LockGuard guard(granter.lock);
    abi::GrantEntryV1* entry = shared_entry(granter, ref);
    if (!entry) {
        result.status = Status::bad_gntref;
        return result;
    }
    ActiveEntry* active = active_or_new(granter, ref);
    if (!active)
        return result;

    const bool first = active->pins.none();
    if (!first && active->domain != user)
        return result;
    Pins counted = active->pins;
    if (!count_up(counted, use))
        return result;
    const bool must_mark = first || (use.access == Access::writable && !active->pins.written());
    if (must_mark && !mark(*entry, *active, user, use.access, sub_page))
        return result;

    const Mfn frame = first ? Mfn(atomic_load(&entry->frame)) : Mfn(active->frame);
    Result<mm::PageRef> page = mm::get_page(frame, granter.id);
    if (!page.ok()) {
        result.status = Status::bad_page;
        unmark(granter, ref, *active); // whatever other uses there are keep their marks
        return result;
    }
    active->frame = frame.value;
    active->domain = user;
    active->pins = counted;
    result.status = Status::okay;
    result.page = page.take();
    return result;
}

void unpin(Table& granter, abi::RawGrantRef ref, Use use)
{
    LockGuard guard(granter.lock);
    ActiveEntry& active = *find_active(granter, ref);
    count_down(active.pins, use);
    unmark(granter, ref, active);
    if (active.pins.none())
        active = {};
}

}

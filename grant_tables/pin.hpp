// Beginning and ending the use of a grant. For the files of grant_tables/ alone.
#pragma once

#include "grant_tables/grant_tables.hpp"

namespace xylem::grant_tables {

/// A grant whose use has begun.
struct Pinned {
    Status status = Status::general_error;
    mm::PageRef page;             ///< a general reference on the granted frame
    u16 page_off = 0, length = 0; ///< of it, what may be copied
};

/// Whether an entry may grant part of a page only. In version 1 it cannot: copies pass over the flag.
enum class SubPage : u8 { refused, accepted };

/// Begins to use grant `ref` of `granter` in the name of `user`.
/// @return bad_gntref  there is no such entry; general_error  it does not grant this, or is used too often;
///         bad_page  the frame is not the granter's
Pinned pin(Table& granter, abi::RawGrantRef ref, DomId user, Use use, SubPage sub_page);
/// Ends it. The last reader and the last writer take their marks off the granter's entry.
void unpin(Table& granter, abi::RawGrantRef ref, Use use);

/// The entry's use as the hypervisor keeps it. @return null if it has never been used. Under the table's lock
ActiveEntry* find_active(const Table& table, abi::RawGrantRef ref);

/// Where the words of an entry stand that both sides change. Under the table's lock.
struct Words {
    volatile u32* header = nullptr; ///< flags and domain; null: there is no such entry
    volatile u16* marks = nullptr;  ///< gtf_reading and gtf_writing: of version 1, in the flags
};
Words words_of(const Table& table, abi::RawGrantRef ref);
/// Flags and domain of an entry, which are checked and marked as one word.
struct Header {
    u32 word;
    u16 flags() const { return static_cast<u16>(word); }
    DomId domain() const { return DomId(static_cast<u16>(word >> 16)); }
};
/// How often an entry is looked at again that changes between our look and our mark. A granter that does it on purpose
/// is given up.
inline constexpr unsigned mark_attempts = 5;

u32 entry_count(const Table& table);
abi::GrantEntryV1& entry_v1(const Table& table, abi::RawGrantRef ref);
abi::GrantEntryV2& entry_v2(const Table& table, abi::RawGrantRef ref);
u16& status_of(const Table& table, abi::RawGrantRef ref);
/// Makes frames of statuses for `frames` frames of entries of version 2. Under the table's lock.
Result<void> grow_statuses(Table& table, u32 frames);

}

// Beginning and ending the use of a grant. For the files of grant_tables/ alone.
#pragma once

#include "grant_tables/grant_tables.hpp"

namespace xylem::grant_tables {

/// A grant whose use has begun.
struct Pinned {
    Status status = Status::general_error;
    mm::PageRef page; ///< a general reference on the granted frame
};

/// Whether an entry may grant part of a page only.
enum class SubPage : u8 { refused, ignored };

/// Begins to use grant `ref` of `granter` in the name of `user`.
/// @return bad_gntref  there is no such entry; general_error  it does not grant this, or is used too often;
///         bad_page  the frame is not the granter's
Pinned pin(Table& granter, abi::RawGrantRef ref, DomId user, Use use, SubPage sub_page);
/// Ends it. The last reader and the last writer take their marks off the granter's entry.
void unpin(Table& granter, abi::RawGrantRef ref, Use use);

/// The entry's use as the hypervisor keeps it. @return null if it has never been used. Under the table's lock
ActiveEntry* find_active(const Table& table, abi::RawGrantRef ref);

}

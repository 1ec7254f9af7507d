// Grant tables, the hypervisor's half: a domain lets others use its frames, by entries of a table it writes.
//
// A domain owns a Table: the entries it grants with, what is in use of them, and the handles of what it has mapped of
// others. The functions below are the operations of grant_table_op, for one element of its list;
// hypercall/grant_table_op.cpp looks domains up and walks the lists. README.md tells of references, locks and flushes.
// (xen/include/public/grant_table.h)
#pragma once

#include "grant_tables/active.hpp"
#include "grant_tables/maptrack.hpp"
#include "hypervisor/abi/grant_table.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/references.hpp"

namespace xylem::grant_tables {

using Status = abi::GnttabStatus;

inline constexpr u32 entries_per_frame = page_size / sizeof(abi::GrantEntryV1); ///< of version 1
inline constexpr u32 entries_per_frame_v2 = page_size / sizeof(abi::GrantEntryV2);
/// Of version 2, which keeps the marks that a grant is in use in words of their own.
inline constexpr u32 statuses_per_frame = page_size / sizeof(u16);
/// More than this no domain gets, whatever it was created with.
inline constexpr u32 max_frames = 64;
inline constexpr u32 max_status_frames = max_frames * entries_per_frame_v2 / statuses_per_frame;
inline constexpr u32 max_maptrack_frames = 1024;

/// A domain's grants: those it gives, and those it has mapped.
struct Table {
    /// Makes the table's first frame. @return NoMemory
    Result<void> initialise(DomId domain, mm::Owner& memory, u32 frames, u32 maptrack_frames);
    /// The machine frame of the table's frame `index`; the table grows to hold it. @return Invalid  beyond its limit;
    /// NoMemory
    Result<Mfn> shared_frame(u32 index);
    /// Likewise of a frame of statuses. @return Invalid  a table of version 1, or beyond its limit; NoMemory
    Result<Mfn> status_frame(u32 index);
    /// Gives up all that a dying domain has mapped; what its page tables hold goes with those. @return Preempted  call
    /// again
    Result<void> release_mappings();
    /// Takes back the right to map the frames of a dying domain's own table: nothing can be granted from now on.
    void release_frames();
    /// Gives back all memory, when nothing of the domain is in use any more.
    void free_storage();

    // What follows is for the files of grant_tables/ alone, under the lock. Nobody holds two tables' locks at once.
    DomId id{};
    mm::Owner* owner = nullptr;
    SpinLock lock{LockRank::grant};
    u32 frame_limit = 0;
    u32 frame_count = 0;
    u8* frames[max_frames] = {};
    u8 max_version = 2; ///< the domain may not ask for more
    u8 version = 1;
    u32 busy_entries = 0; ///< entries in use, but for the reserved ones: while there are any, the version stays
    u32 status_count = 0;
    u16* statuses[max_status_frames] = {};
    ActiveEntry* active[max_frames * entries_per_frame / active_entries_per_page] =
        {}; ///< pages, made when first needed
    Maptrack maptrack;
    u32 release_cursor = 0;
};

/// Who maps and unmaps: a domain, with the page-table root by which it names addresses.
struct Mapper {
    Table& table;
    mm::Owner& owner;
    MachineAddress root;
};

// ---- Tables --------------------------------------------------------------------------------------------------------

u32 frame_count(Table& table);
u32 frame_limit(Table& table);
u32 status_frame_count(Table& table);
u32 version(Table& table);
/// Changes the layout of a table, which loses all its entries but the reserved ones.
/// @return Invalid         no such version
///         NotImplemented  more than the domain may have
///         Busy            an entry that is not reserved is in use, or a frame of statuses is still mapped
///         Again           a reserved entry of part of a page is in use, and version 1 has none
///         Range           nor has it what a reserved entry says
///         NoMemory
Result<void> set_version(Table& table, u32 version);
/// Exchanges two entries that are not in use.
Status swap_entries(Table& table, abi::RawGrantRef a, abi::RawGrantRef b);

// ---- Mapping -------------------------------------------------------------------------------------------------------

/// Maps one grant; writes handle, dev_bus_addr and status of `op`.
void map(const Mapper& mapper, Table& granter, abi::GnttabMapGrantRef& op);

/// What has been unmapped and waits for a flush of the mapper's translations, before anybody may use the frame
/// otherwise.
struct Unmapped {
    u32 handle = 0;
    u8 halves = 0; ///< mapping_host, mapping_device: what finish_unmap() has to put
};
/// Takes the entry out of the page table, or replaces it by the one found at `op.new_addr`.
Status unmap(const Mapper& mapper, const abi::GnttabUnmapGrantRef& op, Unmapped& unmapped);
Status unmap_and_replace(const Mapper& mapper, const abi::GnttabUnmapAndReplace& op, Unmapped& unmapped);
/// After the flush: gives back what the mapping held, and the handle once nothing is left of it.
void finish_unmap(Table& mapper, const Unmapped& unmapped);

// ---- Copying -------------------------------------------------------------------------------------------------------

/// One side of a copy: a frame that is held for it. What is held is given back by the destructor.
class CopyPage {
public:
    CopyPage() = default;
    CopyPage(CopyPage&& other) noexcept;
    CopyPage& operator=(CopyPage&& other) noexcept;
    ~CopyPage();

    /// A frame that `granter` grants to `user`. The granter's domain must outlive what is held.
    Status take_granted(Table& granter, abi::RawGrantRef ref, DomId user, Access access);
    /// A frame of the user's own.
    Status take_own(DomId user, Mfn mfn, Access access);
    void put();
    u8* data() const;

private:
    Status take_type();

    Table* granter_ = nullptr; ///< of a granted frame
    u32 ref_ = 0;
    Access access_ = Access::read_only;
    mm::PageRef page_;
    bool has_type_ = false;
    u32 begin_ = 0, end_ = page_size; ///< the bytes that may be copied

    friend Status copy_bytes(const CopyPage& from, u16 from_offset, const CopyPage& to, u16 to_offset, u16 length);
    bool covers(u16 offset, u16 length) const { return offset >= begin_ && u32{offset} + length <= end_; }
};

/// Copies `len` bytes between two pages. @return bad_copy_arg  it does not fit; general_error  not all is granted
Status copy_bytes(const CopyPage& from, u16 from_offset, const CopyPage& to, u16 to_offset, u16 length);

// ---- Transfer ------------------------------------------------------------------------------------------------------

/// Gives a frame of `giver`'s away, for good, to a domain that has an entry which accepts it. What is refused after the
/// frame has left its owner loses it: only bad_page leaves it where it was.
class Transfer {
public:
    explicit Transfer(mm::Owner& giver) : giver_(giver) {}
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer();

    /// @return bad_page  not the giver's, or somebody refers to it
    Status take(Mfn mfn);
    /// @return general_error  the recipient is dying or full, or does not accept it
    Status give(Table& recipient, abi::RawGrantRef ref);

private:
    mm::Owner& giver_;
    Mfn mfn_ = invalid_mfn;
};

// ---- For the audit -------------------------------------------------------------------------------------------------

/// What one handle holds on a frame beside the references of its page-table entry.
struct HeldFrame {
    Mfn mfn;
    bool writable_type;
    unsigned halves; ///< for a processor, for a device: each is one use of the grant
    bool pinned;     ///< the granter's table knows of the use, by this domain, of this frame
};
/// The frame that handle `index` holds. @return NoEntry  the handle is free; Invalid  there are no more handles
Result<HeldFrame> held_frame(Table& mapper, u32 index);
/// How many uses of this table's grants are under way. While nobody copies, these are the halves of the handles that
/// exist.
u64 count_uses(Table& granter);

}

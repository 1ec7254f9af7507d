// Reads an ELF64 kernel: its segments, and the notes by which it tells Xen how it wants to be started.
//
// Nothing in the file is trusted: every offset, size and count is checked against the file, and sums against overflow,
// before a byte is touched. The file stays where it is; parsed values are copies.
#pragma once

#include "hypervisor/abi/features.hpp"
#include "hypervisor/base/types.hpp"

#include <span>
#include <string_view>

namespace xylem::boot {

enum class [[nodiscard]] ElfError : u8{
    None,
    NotElf,
    NotX86_64,         // another class, byte order, machine or type
    BadProgramHeaders, // the table lies outside the file, or has entries of a wrong size
    TooManySegments,
    SegmentOutsideFile, // a segment's bytes lie outside the file, or it shrinks in memory
    SegmentsOverlap,    // in pseudo-physical memory
    NoSegments,
    BadNotes, // a note runs over its segment's end, or has a value of a wrong size
};

const char* describe(ElfError error);

/// A part of the file and its place in the guest's pseudo-physical memory. Beyond `file.size()` it is zero.
struct ElfSegment {
    u64 physical_address = 0; // p_paddr: where it is put
    u64 memory_size = 0;
    std::span<const u8> file;
    bool writable = false, executable = false;

    u64 physical_end() const { return physical_address + memory_size; }
};

/// A numeric note that may be absent.
struct NoteValue {
    bool given = false;
    u64 value = 0;

    u64 or_else(u64 fallback) const { return given ? value : fallback; }
};

struct XenNotes {
    bool any = false; ///< the file has notes of owner "Xen"
    NoteValue entry, hypercall_page, virt_base, paddr_offset, hv_start_low, init_p2m, suspend_cancel, phys32_entry;
    bool mod_start_pfn = false; ///< the initrd is handed over as a pfn and need not be mapped
    bool pae = false;           ///< PAE_MODE begins with "yes"; of interest to the magic of start_info alone
    NoteValue l1_mfn_valid_mask, l1_mfn_valid_value;
    bool names_supported_features = false; ///< the SUPPORTED_FEATURES note is there
    u32 supported_features = 0;            ///< bits of abi::Feature, of FEATURES and SUPPORTED_FEATURES together
    u32 required_features = 0;             ///< those that FEATURES marks with '!'
    std::string_view guest_os, guest_version, xen_version, loader;

    bool supports(abi::Feature feature) const { return supported_features & abi::feature_bit(feature); }
    /// A kernel that lists what it supports must list "dom0" to be started as such.
    bool may_be_dom0() const { return !names_supported_features || supports(abi::Feature::dom0); }
};

class ElfKernel {
public:
    static constexpr size_t max_segments = 32;

    /// On an error the object is not to be used.
    ElfError parse(std::span<const u8> file);

    /// Loadable segments, ascending in physical_address, none of them empty, none overlapping.
    std::span<const ElfSegment> segments() const { return {segments_, count_}; }
    const XenNotes& notes() const { return notes_; }

    u64 physical_start() const { return segments_[0].physical_address; }
    u64 physical_end() const { return segments_[count_ - 1].physical_end(); }
    /// What to add to a pseudo-physical address of the image for its virtual address.
    u64 virtual_offset() const { return notes_.virt_base.or_else(0) - notes_.paddr_offset.or_else(0); }
    u64 virtual_base() const { return notes_.virt_base.or_else(0); }
    u64 entry() const { return notes_.entry.or_else(header_entry_); }

    /// Fills `out` with what the image has at pseudo-physical `address`: bytes of the file, else zeros.
    void read(u64 address, std::span<u8> out) const;

private:
    ElfError add_segment(std::span<const u8> header);
    ElfError parse_notes(std::span<const u8> notes);
    ElfError parse_note_sections();
    ElfError take_note(u32 type, std::span<const u8> description);
    ElfError sort_segments();

    std::span<const u8> file_;
    ElfSegment segments_[max_segments];
    size_t count_ = 0;
    u64 header_entry_ = 0;
    XenNotes notes_;
};

}

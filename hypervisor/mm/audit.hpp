// The audit: counts anew, by a walk of everything that refers to frames, what the frame table says, and reports each
// difference.
//
// Read-only. The caller has stopped everybody who could change a page table, and tells what the memory manager cannot
// know (expect_*): roots, descriptor windows, pages that the hypervisor writes, mappings by grant. Then walk() takes in
// the page tables, pins and allocations, and check() compares. The invariants by number stand in docs/page-types.md:
//   1  a frame in use as a page table or descriptor page is mapped writable by nobody
//   2  a present entry of a validated table leads to a frame that its domain owns, was granted, or may map as I/O
//   3  reference and type counts are what the walk finds
//   4  a free frame is referred to by nobody; no frame belongs to a domain that is no more
//   5  grants in use, handles and references agree
#pragma once

#include "hypervisor/base/format.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Text lines, as many as fit; and how many there were.
class AuditReport {
public:
    AuditReport(char* text, size_t capacity) : text_(text), capacity_(capacity) {}

    template <typename... Args> void violation(unsigned invariant, const char* format, const Args&... args)
    {
        char line[200];
        const size_t prefix = format_to(line, sizeof line, "invariant {}: ", invariant);
        const size_t length = prefix + format_to(line + prefix, sizeof line - prefix - 1, format, args...);
        line[length] = '\n';
        append(line, length + 1);
        ++violations_;
    }
    u64 violations() const { return violations_; }
    size_t length() const { return length_; }

private:
    void append(const char* line, size_t length);

    char* text_;
    size_t capacity_, length_ = 0;
    u64 violations_ = 0;
};

class Audit {
public:
    explicit Audit(AuditReport& report) : report_(report) {}
    Audit(const Audit&) = delete;
    Audit& operator=(const Audit&) = delete;
    ~Audit();

    /// Makes room to count. @return NoMemory
    Result<void> prepare();

    /// A general reference that somebody holds, and with it a type reference.
    void expect_reference(Mfn mfn, const char* holder);
    void expect_typed(Mfn mfn, PageType type, const char* holder);
    /// `owner` maps frames of `granter` by grants: such entries are right.
    void expect_granted(const Owner& owner, DomId granter);

    void walk(Owner& owner);
    void check();

private:
    /// What the walk has found of one frame.
    struct Found {
        u32 references = 0, types = 0;
    };

    Found* found(Mfn mfn);
    void walk_list(Owner& owner, const FrameList& list);
    void walk_frame(Owner& owner, Mfn mfn);
    void walk_table(Owner& owner, Mfn table, unsigned level, unsigned entries);
    void walk_l1_entry(Owner& owner, Mfn table, unsigned index, u64 entry);
    void walk_table_entry(Owner& owner, Mfn table, unsigned level, unsigned index, u64 entry);
    bool may_map(const Owner& owner, Mfn mfn) const;
    void check_frame(Mfn mfn, const Found& seen);

    AuditReport& report_;
    Found** groups_ = nullptr;
    u64 group_count_ = 0;
    u64 free_frames_ = 0;

    struct Granted {
        DomId mapper, granter;
    };
    static constexpr unsigned max_granted = 256;
    Granted granted_[max_granted];
    unsigned granted_count_ = 0;
};

}

// A domain as grants see one: memory, a grant table, and page tables to map into.
#pragma once

#include "grant_tables/grant_tables.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/base/bits.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/mm/update.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace xylem::grant_tables::test {

struct GrantDomain {
    /// Where the domain's one L1 table, with 512 free entries, begins in its address space.
    static constexpr u64 window = 0x4000'0000;

    explicit GrantDomain(u16 id, u32 frames = 4, u32 maptrack_frames = 4);
    ~GrantDomain();
    /// What the end of a domain does, step by step.
    void end_mappings()
    {
        while (!grants.release_mappings().ok()) {
        }
    }
    void end_memory();

    Mfn page() { return mm::assign_new_frames(owner, 0).take(); }
    Mapper mapper() { return {grants, owner, root}; }

    // ---- As the guest writes its table
    abi::GrantEntryV1& entry(u32 ref)
    {
        return machine::map<abi::GrantEntryV1>(
            grants.shared_frame(ref / entries_per_frame).take())[ref % entries_per_frame];
    }
    /// In the order that lets nobody see half a grant: flags last.
    void grant(u32 ref, Mfn mfn, const GrantDomain& to, u16 flags = 0)
    {
        atomic_store(&entry(ref).frame, static_cast<u32>(mfn.value));
        atomic_store(&entry(ref).domid, to.owner.id.value);
        atomic_store(&entry(ref).flags, static_cast<u16>(abi::gtf_permit_access | flags));
    }
    /// As Linux takes a grant back: only while nobody uses it. @return whether it is taken back
    bool revoke(u32 ref);
    u16 marks(u32 ref) { return entry(ref).flags & (abi::gtf_reading | abi::gtf_writing); }

    // ---- Page tables
    u64 address(unsigned slot) const { return window + slot * page_size; }
    MachineAddress entry_address(unsigned slot) const { return address_of(l1) + slot * sizeof(u64); }
    u64 pte(unsigned slot) const { return machine::map<u64>(l1)[slot]; }
    bool maps(unsigned slot, Mfn mfn) const
    {
        return (pte(slot) & abi::pte::present) && (pte(slot) & abi::pte::frame_mask) >> page_shift == mfn.value;
    }
    Result<void> write_pte(unsigned slot, u64 value)
    {
        return mm::update_l1_entry({.tables = owner, .data = owner, .caller = owner}, l1, slot, value,
                                   mm::AccessedDirty::replace);
    }

    // ---- Operations, whole
    abi::GnttabMapGrantRef map(GrantDomain& granter, u32 ref, unsigned slot, u32 flags = 0);
    Status unmap(u32 handle, unsigned slot);
    /// An unmap with the flush and what comes after.
    Status unmap(const abi::GnttabUnmapGrantRef& op);

    mm::Owner owner;
    Table grants;
    Mfn l1{}, l2{}, l3{}, l4{};
    MachineAddress root{};

private:
    Mfn table_of(Mfn lower, unsigned slot);
    bool memory_ended_ = false;
};

inline constexpr u32 readonly_map = abi::gntmap_readonly;

}

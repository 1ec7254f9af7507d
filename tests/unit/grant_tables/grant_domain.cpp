#include "tests/unit/grant_tables/grant_domain.hpp"

namespace xylem::grant_tables::test {

/// A new table with one entry, for the table below it.
Mfn GrantDomain::table_of(Mfn lower, unsigned slot)
{
    const Mfn table = page();
    machine::map<u64>(table)[slot] =
        address_of(lower).value | abi::pte::present | abi::pte::writable | abi::pte::user | abi::pte::accessed;
    return table;
}

GrantDomain::GrantDomain(u16 id, u32 frames, u32 maptrack_frames)
{
    owner.id = DomId(id);
    owner.max_pages = 4000;
    owner.dirty_cpus = CpuMask{1};
    mm::register_owner(owner);
    EXPECT_TRUE(grants.initialise(owner.id, owner, frames, maptrack_frames).ok());
    l1 = page();
    l2 = table_of(l1, abi::page_table_index(window, 2));
    l3 = table_of(l2, abi::page_table_index(window, 3));
    l4 = table_of(l3, abi::page_table_index(window, 4));
    EXPECT_TRUE(mm::take_root(owner, l4).ok());
    root = address_of(l4);
}

void GrantDomain::end_memory()
{
    memory_ended_ = true;
    owner.dying = true;
    mm::put_root(l4);
    while (!mm::relinquish(owner).ok()) {
    }
    grants.release_frames();
}

GrantDomain::~GrantDomain()
{
    end_mappings();
    if (!memory_ended_)
        end_memory();
    EXPECT_TRUE(mm::drained(owner)) << "others still hold frames of domain " << owner.id.value;
    grants.free_storage();
    mm::unregister_owner(owner);
}

bool GrantDomain::revoke(u32 ref)
{
    u16 seen = __atomic_load_n(&entry(ref).flags, __ATOMIC_SEQ_CST);
    do {
        if (seen & (abi::gtf_reading | abi::gtf_writing))
            return false;
    } while (!atomic_compare_exchange(&entry(ref).flags, seen, u16{0}));
    return true;
}

abi::GnttabMapGrantRef GrantDomain::map(GrantDomain& granter, u32 ref, unsigned slot, u32 flags)
{
    abi::GnttabMapGrantRef op{};
    op.host_addr = flags & abi::gntmap_contains_pte ? entry_address(slot).value : address(slot);
    op.flags = flags & abi::gntmap_device_map ? flags : flags | abi::gntmap_host_map;
    op.ref = ref;
    op.dom = granter.owner.id.value;
    op.status = Status::address_too_big; // to be overwritten
    grant_tables::map(mapper(), granter.grants, op);
    return op;
}

Status GrantDomain::unmap(const abi::GnttabUnmapGrantRef& op)
{
    Unmapped unmapped;
    const Status status = grant_tables::unmap(mapper(), op, unmapped);
    machine::flush_tlb(owner.dirty_cpus);
    finish_unmap(grants, unmapped);
    return status;
}

Status GrantDomain::unmap(u32 handle, unsigned slot)
{
    return unmap({address(slot), 0, handle, Status::okay});
}

}

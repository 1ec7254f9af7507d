// Finds the M2P's chunks by the hypervisor's own page tables.

#include "hypervisor/mm/m2p.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"

namespace xylem::mm {

Mfn m2p_chunk(u64 index)
{
    const u64 address = abi::mach2phys_virt_start + index * m2p_chunk_bytes;
    const u64* table = template_root;
    for (unsigned level = 4; level > 2; --level) {
        const u64 entry = table[abi::page_table_index(address, level)];
        if (!is_present(entry))
            return invalid_mfn;
        table = machine::map<u64>(target_of(entry));
    }
    const u64 entry = table[abi::page_table_index(address, 2)];
    if (!is_present(entry) || !(entry & pte::page_size))
        return invalid_mfn;
    const Mfn first = target_of(entry & ~pte::pat);
    LockGuard guard(heap_lock); // several may ask for the first time at once
    if (frame(first).owner != domid_xen)
        share_with_privileged(first, first + m2p_chunk_bytes / page_size);
    return first;
}

}

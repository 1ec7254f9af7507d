// Pages and page tables. All that the builder gave lies in one block from virtual_base up, pfn by pfn, page tables
// included, so that any table of ours can be read at its own address.

#include "frontends/guest/guest.hpp"
#include "frontends/guest/internal.hpp"

#include "hypervisor/abi/memory.hpp"

namespace xylem::guest {
namespace {

const u64* m2p;
u64 next_page, end_of_pages;

}

void initialise_memory()
{
    abi::MachphysMapping mapping{};
    hypercall(abi::HypercallNumber::memory_op, static_cast<u64>(abi::MemoryCmd::machphys_mapping), address_of(mapping));
    m2p = reinterpret_cast<const u64*>(mapping.v_start);
    // The block ends with at least 512 KiB of slack, behind the page tables and the boot stack.
    constexpr u64 slack_pages = 100, boot_stack_pages = 2;
    next_page = start_info().pt_base + ((start_info().nr_pt_frames + boot_stack_pages) << page_shift);
    end_of_pages = next_page + (slack_pages << page_shift);
}

u64 mfn_of_pfn(u64 pfn)
{
    return reinterpret_cast<const u64*>(start_info().mfn_list)[pfn];
}
u64 pfn_of_mfn(u64 mfn)
{
    return m2p[mfn];
}

void* allocate_page()
{
    if (next_page == end_of_pages) {
        print("The small guest has used up its pages.\nTest result: ERROR\n");
        shut_down(abi::ShutdownReason::crash);
    }
    void* page = reinterpret_cast<void*>(next_page);
    next_page += page_size;
    __builtin_memset(page, 0, page_size);
    return page;
}

u64* entry_of(const void* address, unsigned level)
{
    u64* table = reinterpret_cast<u64*>(start_info().pt_base);
    for (unsigned at = 4;; --at) {
        u64* entry = table + abi::page_table_index(reinterpret_cast<u64>(address), at);
        if (at == level)
            return entry;
        if (!(*entry & abi::pte::present))
            return nullptr;
        table = address_of_pfn<u64>(pfn_of_mfn((*entry & abi::pte::frame_mask) >> page_shift));
    }
}

u64 machine_address_of_entry(const void* address, unsigned level)
{
    const u64* entry = entry_of(address, level);
    return mfn_of_address(entry) << page_shift | (reinterpret_cast<u64>(entry) & ~page_mask);
}

int64_t update_va_mapping(const void* address, u64 entry, u64 flags)
{
    return hypercall(abi::HypercallNumber::update_va_mapping, reinterpret_cast<u64>(address), entry, flags);
}

int64_t mmu_update(u64 machine_address, u64 value, u64 foreigndom)
{
    abi::MmuUpdate request{machine_address, value};
    return hypercall(abi::HypercallNumber::mmu_update, address_of(request), 1, 0, foreigndom);
}

int64_t mmuext(abi::MmuextCmd cmd, u64 arg1, u64 arg2, u64 foreigndom)
{
    abi::MmuextOp request{};
    request.cmd = cmd;
    request.arg1.mfn = arg1;
    request.arg2.nr_ents = static_cast<u32>(arg2);
    return hypercall(abi::HypercallNumber::mmuext_op, address_of(request), 1, 0, foreigndom);
}

int64_t make_read_only(const void* page)
{
    return update_va_mapping(page, mfn_of_address(page) << page_shift | read_only_page);
}

int64_t make_writable(const void* page)
{
    return update_va_mapping(page, mfn_of_address(page) << page_shift | kernel_page);
}

}

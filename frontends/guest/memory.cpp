// Pages and page tables. All that the builder gave lies in one block from virtual_base up, pfn by pfn, page tables
// included, so that any table of ours can be read at its own address.

#include "frontends/guest/memory.hpp"
#include "frontends/guest/internal.hpp"

#include "hypervisor/abi/memory.hpp"

namespace xylem::guest {
namespace {

constexpr u64 table_entries = page_size / sizeof(u64), bytes_of_table = table_entries << page_shift;
constexpr u64 first_gib = u64{1} << 30;

const u64* m2p;
u64 next_page, end_of_pages; // addresses: what no one has had yet

// Pages given back, by the length of the run that they came in: what a driver frees as one it asks for as one again.
constexpr u64 longest_run = 64;
struct FreeRun {
    FreeRun* next;
};
FreeRun* free_runs[longest_run + 1];

/// The next table of level 1: there must be one before there are the pages that it maps.
u64* spare_table;

/// Maps the 2 MiB around `address`, which have no table yet.
bool add_table(u64 address)
{
    if (!spare_table)
        return false;
    const u64 first = (address - virtual_base) >> page_shift & ~(table_entries - 1);
    for (u64 i = 0; i < table_entries; ++i)
        spare_table[i] = first + i < start_info().nr_pages ? mfn_of_pfn(first + i) << page_shift | kernel_page : 0;
    if (make_read_only(spare_table) != 0)
        return false;
    const auto* at = reinterpret_cast<void*>(address);
    const u64 entry = mfn_of_address(spare_table) << page_shift | kernel_page | abi::pte::user;
    spare_table = nullptr;
    return mmu_update(machine_address_of_entry(at, 2), entry) == 0;
}

/// Makes the page at `address` one that can be written.
bool ensure_mapped(u64 address)
{
    const auto* at = reinterpret_cast<void*>(address);
    if (!(*entry_of(at, 2) & abi::pte::present) && !add_table(address))
        return false;
    if (!(*entry_of(at) & abi::pte::present))
        return update_va_mapping(at, mfn_of_address(at) << page_shift | kernel_page) == 0;
    return true;
}

/// `count` pages that nobody has had. A run enters one new table at the most, and leaves a page of it for the next.
void* take_new_pages(u64 count)
{
    if (!spare_table && next_page < end_of_pages && ensure_mapped(next_page)) {
        spare_table = reinterpret_cast<u64*>(next_page);
        next_page += page_size;
    }
    if (count > longest_piece || count > (end_of_pages - next_page) >> page_shift)
        return nullptr;
    const u64 first = next_page;
    for (; count > 0; --count, next_page += page_size)
        if (!ensure_mapped(next_page))
            return nullptr;
    return reinterpret_cast<void*>(first);
}

}

void initialise_memory()
{
    abi::MachphysMapping mapping{};
    hypercall(abi::HypercallNumber::memory_op, static_cast<u64>(abi::MemoryCmd::machphys_mapping), address_of(mapping));
    m2p = reinterpret_cast<const u64*>(mapping.v_start);
    constexpr u64 boot_stack_pages = 2;
    next_page = start_info().pt_base + ((start_info().nr_pt_frames + boot_stack_pages) << page_shift);
    const u64 bytes = start_info().nr_pages << page_shift;
    end_of_pages = virtual_base + (bytes < first_gib ? bytes : first_gib);
}

u64 mfn_of_pfn(u64 pfn)
{
    return reinterpret_cast<const u64*>(start_info().mfn_list)[pfn];
}
u64 pfn_of_mfn(u64 mfn)
{
    return m2p[mfn];
}

void* allocate_pages(u64 count)
{
    void* pages = nullptr;
    if (count <= longest_run && free_runs[count]) {
        pages = free_runs[count];
        free_runs[count] = free_runs[count]->next;
    } else {
        pages = take_new_pages(count);
    }
    if (pages)
        __builtin_memset(pages, 0, count << page_shift);
    return pages;
}

void free_pages(void* pages, u64 count)
{
    for (; count > longest_run; count -= longest_run) {
        free_pages(pages, longest_run);
        pages = static_cast<char*>(pages) + (longest_run << page_shift);
    }
    auto* run = static_cast<FreeRun*>(pages);
    run->next = free_runs[count];
    free_runs[count] = run;
}

void* allocate_page()
{
    if (void* page = allocate_pages(1))
        return page;
    print("The small guest has used up its pages.\nTest result: ERROR\n");
    shut_down(abi::ShutdownReason::crash);
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

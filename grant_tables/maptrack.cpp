// Handles: pages of mappings, with the free ones in a list through their frame numbers.

#include "grant_tables/maptrack.hpp"

#include "hypervisor/mm/heap.hpp"

namespace xylem::grant_tables {

Result<u32> Maptrack::allocate()
{
    if (first_free_ == none)
        TRY(add_page());
    const u32 handle = first_free_;
    first_free_ = at(handle)->frame;
    return handle;
}

void Maptrack::release(u32 handle)
{
    Mapping& mapping = *at(handle);
    mapping = {};
    mapping.frame = first_free_;
    first_free_ = handle;
}

Mapping* Maptrack::at(u32 handle) const
{
    return handle < handles() ? &pages_[handle / mappings_per_page][handle % mappings_per_page] : nullptr;
}

Result<void> Maptrack::add_page()
{
    if (page_count_ == page_limit_)
        return Error::NoSpace;
    if (!pages_)
        pages_ = mm::make_array<Mapping*>(page_limit_);
    if (!pages_)
        return Error::NoSpace;
    Result<Mfn> page = mm::allocate_frame();
    if (!page.ok())
        return Error::NoSpace;
    const u32 first = handles();
    pages_[page_count_++] = machine::map<Mapping>(page.value());
    for (u32 i = mappings_per_page; i-- > 0;)
        release(first + i);
    return {};
}

void Maptrack::free_storage()
{
    for (u32 i = 0; i < page_count_; ++i)
        mm::free_frame(machine::mfn_of_mapped(pages_[i]));
    if (pages_)
        mm::free_bytes(pages_);
    pages_ = nullptr;
    page_count_ = 0;
    first_free_ = none;
}

}

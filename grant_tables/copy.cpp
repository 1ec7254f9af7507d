// Copying between pages, each the user's own or granted to it: no mapping, no flush, and no handle.

#include "grant_tables/pin.hpp"

#include <string.h>

namespace xylem::grant_tables {

namespace {

constexpr Use copy_use(Access access)
{
    return {access, true, false};
}

}

CopyPage::CopyPage(CopyPage&& other) noexcept
{
    *this = std::move(other);
}

CopyPage& CopyPage::operator=(CopyPage&& other) noexcept
{
    std::swap(granter_, other.granter_);
    std::swap(ref_, other.ref_);
    std::swap(access_, other.access_);
    std::swap(has_type_, other.has_type_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    page_ = std::move(other.page_);
    return *this;
}

CopyPage::~CopyPage()
{
    put();
}

Status CopyPage::take_granted(Table& granter, abi::RawGrantRef ref, DomId user, Access access)
{
    put();
    Pinned pinned = pin(granter, ref, user, copy_use(access), SubPage::accepted);
    if (pinned.status != Status::okay)
        return pinned.status;
    granter_ = &granter;
    ref_ = ref;
    access_ = access;
    page_ = std::move(pinned.page);
    begin_ = pinned.page_off;
    end_ = begin_ + pinned.length;
    return take_type();
}

Status CopyPage::take_own(DomId user, Mfn mfn, Access access)
{
    put();
    Result<mm::PageRef> page = mm::get_page(mfn, user);
    if (!page.ok())
        return Status::bad_page;
    access_ = access;
    page_ = page.take();
    begin_ = 0;
    end_ = page_size;
    return take_type();
}

Status CopyPage::take_type()
{
    if (access_ == Access::read_only)
        return Status::okay;
    has_type_ = mm::get_type(page_.mfn(), mm::PageType::writable).ok();
    if (has_type_)
        return Status::okay;
    put();
    return Status::general_error;
}

void CopyPage::put()
{
    if (has_type_)
        mm::put_type(page_.mfn());
    has_type_ = false;
    page_ = mm::PageRef();
    if (granter_)
        unpin(*granter_, ref_, copy_use(access_));
    granter_ = nullptr;
}

u8* CopyPage::data() const
{
    return machine::map(page_.mfn());
}

Status copy_bytes(const CopyPage& from, u16 from_offset, const CopyPage& to, u16 to_offset, u16 length)
{
    if (u32{from_offset} + length > page_size || u32{to_offset} + length > page_size)
        return Status::bad_copy_arg;
    if (!from.covers(from_offset, length) || !to.covers(to_offset, length))
        return Status::general_error;
    memmove(to.data() + to_offset, from.data() + from_offset, length); // the two may be one page
    return Status::okay;
}

}

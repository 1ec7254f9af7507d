// See fake_peer.hpp.
#include "tests/unit/backends/fake_peer.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace xylem::backends::test {

FakePeer::FakePeer(u32 pages, u16 domain) : pages_(pages), domain_(domain), memory_(memfd_create("peer", MFD_CLOEXEC))
{
    EXPECT_EQ(ftruncate(memory_.get(), static_cast<off_t>(pages * page_size)), 0);
    base_ =
        static_cast<std::byte*>(mmap(nullptr, pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0));
}

FakePeer::~FakePeer()
{
    EXPECT_TRUE(mapped_.empty()) << "pages of the peer are still mapped";
    munmap(base_, pages_ * page_size);
}

std::byte* FakePeer::map(std::span<const GrantRef> refs)
{
    for (GrantRef ref : refs)
        if (!granted(ref.value))
            return nullptr;
    auto* area =
        static_cast<std::byte*>(mmap(nullptr, refs.size() * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < refs.size(); ++i)
        mmap(area + i * page_size, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_.get(),
             static_cast<off_t>(refs[i].value * page_size));
    for (GrantRef ref : refs)
        mapped_[area].push_back(ref.value);
    return area;
}

void FakePeer::unmap(std::byte* mapped)
{
    const auto found = mapped_.find(mapped);
    ASSERT_NE(found, mapped_.end()) << "unmapped twice";
    munmap(mapped, found->second.size() * page_size);
    mapped_.erase(found);
}

std::byte* FakePeer::read_at(u32 number)
{
    for (const auto& [area, refs] : mapped_)
        if (const auto at = std::ranges::find(refs, number); at != refs.end())
            return area + (at - refs.begin()) * static_cast<std::ptrdiff_t>(page_size);
    return page(number);
}

bool FakePeer::copy_one(const GrantCopy& step)
{
    const bool from_guest = step.flags == dom0::linux_ioctl::copy_source_is_grant;
    const auto& grant = from_guest ? step.source.foreign : step.destination.foreign;
    if (grant.domid != domain_.value || !granted(grant.ref) || grant.offset + step.bytes > page_size)
        return false;
    std::byte* peer = page(grant.ref) + grant.offset;
    if (from_guest)
        std::memcpy(step.destination.address, peer, step.bytes);
    else
        std::memcpy(peer, step.source.address, step.bytes);
    return true;
}

void FakePeer::copy(std::span<GrantCopy> steps)
{
    for (GrantCopy& step : steps)
        step.status = copy_one(step) ? 0 : -1;
}

}

// See foreign.hpp.
#include "dom0/lib/foreign.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>

namespace xylem::dom0 {

using namespace linux_ioctl;

ForeignMapping::~ForeignMapping()
{
    if (address_)
        munmap(address_, bytes_);
}

/// Address space of privcmd's for the driver to fill.
ForeignMapping reserve_pages(const Privcmd& privcmd, std::size_t pages, Protection protection)
{
    const int access = protection == Protection::read ? PROT_READ : PROT_READ | PROT_WRITE;
    void* address = mmap(nullptr, pages * page_size, access, MAP_SHARED, privcmd.fd(), 0);
    if (address == MAP_FAILED)
        throw_errno("cannot reserve address space for " + std::to_string(pages) + " foreign pages");
    ForeignMapping mapping;
    mapping.address_ = address;
    mapping.bytes_ = pages * page_size;
    return mapping;
}

ForeignMapping map_foreign(Privcmd& privcmd, DomId domain, std::span<const Mfn> frames, Protection protection)
{
    static_assert(sizeof(Mfn) == sizeof(u64));
    ForeignMapping mapping = reserve_pages(privcmd, frames.size(), protection);
    std::vector<int> errors(frames.size());
    PrivcmdMmapBatchV2 argument{static_cast<u32>(frames.size()), domain.value, reinterpret_cast<u64>(mapping.data()),
                                &frames.data()->value, errors.data()};
    if (ioctl(privcmd.fd(), privcmd_mmap_batch_v2, &argument) == 0)
        return mapping;
    const auto failed = std::find_if(errors.begin(), errors.end(), [](int error) { return error != 0; });
    if (failed == errors.end())
        throw_errno("cannot map frames of domain " + std::to_string(domain.value));
    errno = -*failed;
    throw_errno("cannot map frame " + std::to_string(frames[static_cast<std::size_t>(failed - errors.begin())].value) +
                " of domain " + std::to_string(domain.value));
}

ForeignMapping map_resource(Privcmd& privcmd, DomId domain, Resource resource, u32 first, std::size_t pages)
{
    ForeignMapping mapping = reserve_pages(privcmd, pages, Protection::read_write);
    PrivcmdMmapResource argument{domain.value, static_cast<u32>(resource),           0, first,
                                 pages,        reinterpret_cast<u64>(mapping.data())};
    if (ioctl(privcmd.fd(), privcmd_mmap_resource, &argument) < 0)
        throw_errno("cannot map resource " + std::to_string(static_cast<u32>(resource)) + " of domain " +
                    std::to_string(domain.value));
    return mapping;
}

}

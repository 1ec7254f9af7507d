// See gntdev.hpp.
#include "dom0/lib/gntdev.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace xylem::dom0 {

using namespace linux_ioctl;

GrantMapping::GrantMapping(GrantMapping&& other) noexcept
    : device_(other.device_), index_(other.index_), address_(std::exchange(other.address_, nullptr)),
      pages_(std::exchange(other.pages_, 0))
{
}

GrantMapping& GrantMapping::operator=(GrantMapping&& other) noexcept
{
    std::swap(device_, other.device_);
    std::swap(index_, other.index_);
    std::swap(address_, other.address_);
    std::swap(pages_, other.pages_);
    return *this;
}

static void release_index(int device, u64 index, u32 pages)
{
    GntdevUnmap argument{index, pages, 0};
    ioctl(device, gntdev_unmap, &argument);
}

void GrantMapping::unmap()
{
    if (!address_)
        return;
    munmap(std::exchange(address_, nullptr), size());
    release_index(device_, index_, pages_);
    pages_ = 0;
}

void GrantMapping::notify_on_unmap(std::optional<std::size_t> clear_byte, std::optional<Port> event)
{
    GntdevUnmapNotify argument{index_ + clear_byte.value_or(0), 0, event ? event->value : 0};
    argument.action = (clear_byte ? notify_clear_byte : 0) | (event ? notify_send_event : 0);
    if (ioctl(device_, gntdev_unmap_notify, &argument) < 0)
        throw_errno("cannot register what an unmap of granted pages shall notify");
}

GrantDevice::GrantDevice() : fd_(open_device("/dev/xen/gntdev", O_RDWR)) {}

static u64 register_grants(int device, std::span<const Grant> grants)
{
    // The driver's argument ends in an array: header and list go in one buffer of 8-byte words.
    std::vector<u64> words((sizeof(GntdevMap) - sizeof(GntdevGrant)) / 8 + grants.size());
    auto* argument = reinterpret_cast<GntdevMap*>(words.data());
    argument->count = static_cast<u32>(grants.size());
    GntdevGrant* list = &argument->first;
    for (std::size_t i = 0; i < grants.size(); ++i)
        list[i] = {grants[i].domain.value, grants[i].ref.value};
    if (ioctl(device, gntdev_map, argument) < 0)
        throw_errno("cannot register grants for mapping");
    return argument->index;
}

GrantMapping GrantDevice::map(std::span<const Grant> grants, Protection protection)
{
    const u64 index = register_grants(fd_.get(), grants);
    const auto pages = static_cast<u32>(grants.size());
    const int access = protection == Protection::read ? PROT_READ : PROT_READ | PROT_WRITE;
    void* address = mmap(nullptr, grants.size() * page_size, access, MAP_SHARED, fd_.get(), static_cast<off_t>(index));
    if (address == MAP_FAILED) {
        const int error = errno;
        release_index(fd_.get(), index, pages);
        errno = error;
        throw_errno("cannot map grant " + std::to_string(grants[0].ref.value) + " of domain " +
                    std::to_string(grants[0].domain.value) +
                    (pages > 1 ? " and " + std::to_string(pages - 1) + " more" : ""));
    }
    return GrantMapping(fd_.get(), index, address, pages);
}

GrantMapping GrantDevice::map(DomId domain, std::span<const GrantRef> refs, Protection protection)
{
    std::vector<Grant> grants;
    grants.reserve(refs.size());
    for (GrantRef ref : refs)
        grants.push_back({domain, ref});
    return map(grants, protection);
}

GrantCopy GrantCopy::from_guest(Grant source, u16 offset, void* destination, u16 bytes)
{
    GrantCopy step{};
    step.source.foreign = {source.ref.value, offset, source.domain.value};
    step.destination.address = destination;
    step.bytes = bytes;
    step.flags = copy_source_is_grant;
    return step;
}

GrantCopy GrantCopy::to_guest(const void* source, Grant destination, u16 offset, u16 bytes)
{
    GrantCopy step{};
    step.source.address = const_cast<void*>(source); // the driver's layout has no const; it only reads from here
    step.destination.foreign = {destination.ref.value, offset, destination.domain.value};
    step.bytes = bytes;
    step.flags = copy_destination_is_grant;
    return step;
}

void GrantDevice::copy(std::span<GrantCopy> steps)
{
    static_assert(sizeof(GrantCopy) == sizeof(GntdevCopySegment));
    GntdevCopy argument{static_cast<u32>(steps.size()), steps.data()};
    if (ioctl(fd_.get(), gntdev_copy, &argument) < 0)
        throw_errno("cannot copy granted memory");
}

}

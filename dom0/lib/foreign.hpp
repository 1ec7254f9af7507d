// Frames of other domains in our address space, by the right of a control domain (privcmd's MMAPBATCH_V2 and
// MMAP_RESOURCE).
#pragma once

#include "dom0/lib/gntdev.hpp"
#include "dom0/lib/privcmd.hpp"

namespace xylem::dom0 {

/// A mapping of foreign pages; unmapped at the end of its life.
class ForeignMapping {
public:
    ForeignMapping() = default;
    ForeignMapping(ForeignMapping&& other) noexcept
        : address_(std::exchange(other.address_, nullptr)), bytes_(other.bytes_)
    {
    }
    ForeignMapping& operator=(ForeignMapping&& other) noexcept
    {
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ForeignMapping(const ForeignMapping&) = delete;
    ForeignMapping& operator=(const ForeignMapping&) = delete;
    ~ForeignMapping();

    explicit operator bool() const { return address_ != nullptr; }
    std::byte* data() const { return static_cast<std::byte*>(address_); }
    std::size_t size() const { return bytes_; }
    template <typename T> T* as() const { return static_cast<T*>(address_); }

private:
    friend ForeignMapping reserve_pages(const Privcmd&, std::size_t, Protection);
    void* address_ = nullptr;
    std::size_t bytes_ = 0;
};

/// Maps `frames` of `domain` one after the other, all or nothing.
/// @throws std::system_error  naming the first frame that was refused
ForeignMapping map_foreign(Privcmd& privcmd, DomId domain, std::span<const Mfn> frames, Protection protection);

enum class Resource : u32 { grant_table = 1 };

/// Maps `pages` pages of a hypervisor resource of `domain`, from page `first` on (XENMEM_acquire_resource).
ForeignMapping map_resource(Privcmd& privcmd, DomId domain, Resource resource, u32 first, std::size_t pages);

}

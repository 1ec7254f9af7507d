// Other domains' pages by grant reference, through /dev/xen/gntdev: mapped, or copied by the hypervisor.
//
// A mapped page is memory that a guest can write at any time: copy what you check, once, and use the copy.
#pragma once

#include "dom0/lib/fd.hpp"
#include "dom0/lib/linux_ioctl.hpp"
#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace xylem::dom0 {

enum class Protection { read, read_write };

/// A granted page of a domain.
struct Grant {
    DomId domain;
    GrantRef ref;
};

/// Granted pages, one after the other in our address space; unmapped at the end of its life.
class GrantMapping {
public:
    GrantMapping() = default;
    GrantMapping(GrantMapping&& other) noexcept;
    GrantMapping& operator=(GrantMapping&& other) noexcept;
    GrantMapping(const GrantMapping&) = delete;
    GrantMapping& operator=(const GrantMapping&) = delete;
    ~GrantMapping() { unmap(); }

    explicit operator bool() const { return address_ != nullptr; }
    std::byte* data() const { return static_cast<std::byte*>(address_); }
    std::size_t size() const { return pages_ * page_size; }
    template <typename T> T* as() const { return static_cast<T*>(address_); }

    /// Asks the driver to tell the peer when this mapping goes, even by our death: by setting the byte at `clear_byte`
    /// to 0, by an event on our port `event`, or both.
    void notify_on_unmap(std::optional<std::size_t> clear_byte, std::optional<Port> event);
    void unmap();

private:
    friend class GrantDevice;
    GrantMapping(int device, u64 index, void* address, u32 pages)
        : device_(device), index_(index), address_(address), pages_(pages)
    {
    }

    int device_ = -1;
    u64 index_ = 0;
    void* address_ = nullptr;
    u32 pages_ = 0;
};

/// One step of a grant copy: at most a page, between a granted page and our own memory, or between two granted pages.
struct GrantCopy : linux_ioctl::GntdevCopySegment {
    static GrantCopy from_guest(Grant source, u16 offset, void* destination, u16 bytes);
    static GrantCopy to_guest(const void* source, Grant destination, u16 offset, u16 bytes);
    /// After the copy: whether this step was done. (GNTST_okay)
    bool done() const { return status == 0; }
};

class GrantDevice {
public:
    /// @throws std::system_error  the device is missing or not ours to open
    GrantDevice();

    int fd() const { return fd_.get(); }

    /// Maps all or nothing. The GrantDevice must outlive the mapping.
    /// @throws std::system_error  a reference is not granted to us, or the mapping failed
    GrantMapping map(std::span<const Grant> grants, Protection protection);
    GrantMapping map(DomId domain, std::span<const GrantRef> refs, Protection protection);
    GrantMapping map(DomId domain, GrantRef ref, Protection protection) { return map(domain, {&ref, 1}, protection); }

    /// Performs the steps in order; each has its own status afterwards.
    /// @throws std::system_error  the driver refused the list as a whole
    void copy(std::span<GrantCopy> steps);

private:
    Fd fd_;
};

}

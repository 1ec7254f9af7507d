// A peer's granted memory and its event channel, as the protocol code sees them: so that it runs over /dev/xen in dom0
// and over plain memory in the tests.
#pragma once

#include "dom0/lib/gntdev.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace xylem::backends {

using dom0::GrantCopy;

/// The pages that one domain granted us.
class PeerMemory {
public:
    virtual ~PeerMemory() = default;

    /// Maps pages, one after the other, readable and writable.
    /// @return null  some page is not granted to us so
    virtual std::byte* map(std::span<const GrantRef> refs) = 0;
    virtual void unmap(std::byte* mapped) = 0;

    /// Performs the steps; each has its own status afterwards.
    virtual void copy(std::span<GrantCopy> steps) = 0;

    virtual DomId domain() const = 0;
};

/// Mapped pages that unmap themselves.
class MappedPages {
public:
    MappedPages() = default;
    MappedPages(PeerMemory& memory, std::span<const GrantRef> refs)
        : memory_(&memory), data_(memory.map(refs)), bytes_(data_ ? refs.size() * page_size : 0)
    {
    }
    MappedPages(MappedPages&& other) noexcept
        : memory_(other.memory_), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_)
    {
    }
    MappedPages& operator=(MappedPages&& other) noexcept
    {
        std::swap(memory_, other.memory_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~MappedPages()
    {
        if (data_)
            memory_->unmap(data_);
    }

    explicit operator bool() const { return data_ != nullptr; }
    std::byte* data() const { return data_; }
    std::size_t bytes() const { return bytes_; }

private:
    PeerMemory* memory_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
};

/// The peer's end of an event channel. Unbinds at the end of its life.
class PeerSignal {
public:
    virtual ~PeerSignal() = default;
    virtual void notify() = 0;
    /// Lets events through again, where that is left to the owner.
    virtual void unmask() {}
};

}

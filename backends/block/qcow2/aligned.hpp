// Memory that direct I/O takes.
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace xylem::backends::block::qcow2 {

/// Bytes on a page's boundary, zeros at first; `bytes` is a multiple of 512.
class Aligned {
public:
    Aligned() = default;
    explicit Aligned(std::size_t bytes) : bytes_(bytes)
    {
        const std::size_t pages = (bytes / page_size + 1) * page_size;
        memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page_size, pages)));
        if (!memory_)
            throw std::bad_alloc();
        std::memset(memory_.get(), 0, pages);
    }

    std::span<std::byte> all() const { return {memory_.get(), bytes_}; }
    std::size_t size() const { return bytes_; }

private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t bytes_ = 0;
};

}

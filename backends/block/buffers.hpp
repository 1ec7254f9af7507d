// Page buffers for data on its way between a disk and a peer's pages, handed out from a bounded pool that grows as
// needed.
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace xylem::backends::block {

class PageBuffers {
public:
    explicit PageBuffers(std::size_t capacity) : left_to_allocate_(capacity) {}

    /// Whether `count` more pages can be had now.
    bool available(std::size_t count) const { return count <= free_.size() + left_to_allocate_; }

    /// A page of memory, aligned to a page, as direct I/O wants it.
    std::byte* take()
    {
        if (free_.empty())
            grow();
        std::byte* page = free_.back();
        free_.pop_back();
        return page;
    }
    void give_back(std::byte* page) { free_.push_back(page); }

private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };

    void grow()
    {
        const std::size_t pages = std::min<std::size_t>(left_to_allocate_, 32);
        auto* chunk = static_cast<std::byte*>(std::aligned_alloc(page_size, pages * page_size));
        if (!chunk)
            throw std::bad_alloc();
        chunks_.emplace_back(chunk);
        left_to_allocate_ -= pages;
        for (std::size_t i = 0; i < pages; ++i)
            free_.push_back(chunk + i * page_size);
    }

    std::size_t left_to_allocate_;
    std::vector<std::byte*> free_;
    std::vector<std::unique_ptr<std::byte, Free>> chunks_;
};

}

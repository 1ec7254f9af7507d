// A run of our own pages: packets lie in it aligned to pages, so that each slot of a ring is one step of a grant copy.
// (The kernel splits a step that crosses a page of ours.)
#pragma once

#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace xylem::backends::net {

class PageRun {
public:
    explicit PageRun(std::size_t count)
        : memory_(static_cast<std::byte*>(std::aligned_alloc(page_size, count * page_size))), count_(count)
    {
        if (!memory_)
            throw std::bad_alloc();
    }

    std::size_t count() const { return count_; }
    std::byte* page(std::size_t index) const { return memory_.get() + index * page_size; }
    std::span<std::byte> from(std::size_t index) const { return {page(index), (count_ - index) * page_size}; }

private:
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t count_;
};

}

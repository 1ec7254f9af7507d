// The console page as the daemon sees it: bytes out of the guest and into it. Both indices that the guest owns may hold
// anything.
#pragma once

#include "hypervisor/abi/io/console.hpp"
#include "hypervisor/base/copy_once.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace xylem::backends::console {

class ConsoleRing {
public:
    using Page = abi::io::ConsoleInterface;

    explicit ConsoleRing(std::byte* page)
        : page_(reinterpret_cast<Page*>(page)), in_cons_(&page_->in_cons), in_prod_(&page_->in_prod),
          out_cons_(&page_->out_cons), out_prod_(&page_->out_prod)
    {
    }

    static constexpr std::size_t out_bytes = sizeof(Page::out);
    static constexpr std::size_t in_bytes = sizeof(Page::in);

    /// Copies all that the guest has written and was not released yet.
    /// @return how much was put into `buffer`; nothing if the guest's index is impossible
    std::optional<std::size_t> peek(std::span<char, out_bytes> buffer) const;
    /// Gives the guest back the room of `bytes` of its output: once they are stored, so that a daemon killed in between
    /// loses none of them.
    void release(std::size_t bytes);

    /// How much input the guest has room for; nothing if its index is impossible.
    std::optional<std::size_t> room() const;
    /// Gives the guest input, at most what room() said.
    void give(std::string_view input);

private:
    Page* page_;
    SharedWord in_cons_, in_prod_, out_cons_, out_prod_;
};

}

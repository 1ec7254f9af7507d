// The console page as the guest sees it: bytes out, bytes in. The daemon owns out_cons and in_prod, which may hold
// anything. (Its own side is in backends/console/ring.hpp; layout: xen/include/public/io/console.h.)
#pragma once

#include "hypervisor/abi/io/console.hpp"
#include "hypervisor/base/copy_once.hpp"

#include <optional>
#include <span>

namespace xylem::frontends::console {

class ConsoleRing {
public:
    using Page = abi::io::ConsoleInterface;

    explicit ConsoleRing(Page* page)
        : page_(page), in_cons_(&page->in_cons), in_prod_(&page->in_prod), out_cons_(&page->out_cons),
          out_prod_(&page->out_prod)
    {
    }

    /// Writes as much of `text` as there is room for. @return how much; nothing if the daemon's index cannot be
    std::optional<u32> write(std::span<const char> text);
    /// Takes what was typed, as far as it fits. @return how much; nothing if the daemon's index cannot be
    std::optional<u32> read(std::span<char> buffer);

private:
    Page* page_;
    SharedWord in_cons_, in_prod_, out_cons_, out_prod_;
};

}

// The link to a domain: two rings of bytes in a page of that domain, and an event channel.
//
// The domain can write the page at any time. We keep our own copies of the two indices that are ours, read each of its
// indices once a use, and check the difference before anything is copied. (Xen: docs/misc/xenstore-ring.txt)
#pragma once

#include "hypervisor/abi/io/xs_wire.hpp"
#include "xenstore/daemon/link.hpp"

#include <functional>

namespace xylem::xenstore {

class RingLink : public Link {
public:
    using Page = abi::io::XenstoreDomainInterface;

    /// `page` must outlive this. `notify` sends an event to the domain.
    RingLink(Page& page, std::function<void()> notify);

    /// Begins anew with empty rings.
    void start_anew();
    /// Begins where the indices stand: the kernel of our own domain may have written already.
    void adopt();
    /// The domain wants the link to begin anew.
    bool wants_reconnect() const;
    /// start_anew(), and tells the domain that it is done.
    void complete_reconnect();

    std::optional<std::size_t> read(std::span<char> into, std::size_t wanted) override;
    std::optional<std::size_t> write(std::string_view bytes) override;
    bool has_unread() override;
    void set_interest(bool, bool) override {}
    void report(Fault fault) override;
    bool ends_when_broken() const override { return false; }

private:
    void advertise_features();

    Page& page_;
    std::function<void()> notify_;
    uint32_t request_consumer_ = 0;
    uint32_t reply_producer_ = 0;
};

}

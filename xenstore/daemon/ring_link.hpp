// The link to a domain: two rings of bytes in a page of that domain, and an event channel.
//
// The domain can write the page at any time. We keep our own copies of the two indices that are ours, read each of its
// indices once a use, and check the difference before anything is copied. (Xen: docs/misc/xenstore-ring.txt)
//
// Bytes are journaled before the index moves that tells the domain of them. A successor that finds the journal ahead of
// the page does what is missing: moving the index again, or copying the same bytes to the same place, changes nothing
// for the domain.
#pragma once

#include "hypervisor/abi/io/xs_wire.hpp"
#include "xenstore/daemon/link.hpp"

#include <functional>

namespace xylem::xenstore {

class RingLink : public Link {
public:
    using Page = abi::io::XenstoreDomainInterface;

    /// `page` must outlive this, and so must `progress`, which says where our indices stand and is moved on by whoever
    /// calls. `notify` sends an event to the domain.
    RingLink(Page& page, const Progress& progress, std::function<void()> notify);

    /// Where the indices stand in a page that another daemon, or nobody, has served.
    static Progress progress_of(Page& page);

    /// Begins with empty rings; `progress` is to be as new.
    void start_anew();
    /// Goes on at `progress`, whatever our indices in the page say. `last_sent` are the bytes that were journaled last
    /// as sent to this domain and perhaps were not.
    void resume(std::string_view last_sent);
    /// The domain wants the link to begin anew.
    static bool wants_reconnect(Page& page);
    bool wants_reconnect() const { return wants_reconnect(page_); }
    /// start_anew(), and tells the domain that it is done.
    void complete_reconnect();

    std::optional<std::string_view> receive(Journal& journal, u32 connection, std::size_t wanted) override;
    std::optional<std::size_t> send(Journal& journal, u32 connection, std::string_view bytes) override;
    bool has_unread() override;
    void set_interest(bool, bool) override {}
    void report(Fault fault) override;

private:
    void advertise_features();
    void put_reply(u32 at, std::string_view bytes);

    Page& page_;
    const Progress& progress_;
    std::function<void()> notify_;
};

}

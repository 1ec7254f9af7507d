// See fake_guest.hpp.

#include "tests/support/fake_guest.hpp"

#include <cstdio>
#include <cstdlib>

namespace xylem::test {

FakeGuest::FakeGuest(u16 id, u64 max_pages) : owner(DomId(id))
{
    owner.max_pages = max_pages;
    owner.dirty_cpus = {~u64{0}};
    mm::register_owner(owner);
    Result<Mfn> l3 = mm::allocate_frame();
    if (!l3.ok())
        std::abort();
    owner.perdomain_l3 = l3.value();
}

FakeGuest::~FakeGuest()
{
    end();
    if (!mm::drained(owner)) {
        std::fprintf(stderr, "the guest's frames did not drain: %llu left\n",
                     static_cast<unsigned long long>(owner.total_pages));
        std::abort();
    }
    mm::free_frame(owner.perdomain_l3);
    mm::unregister_owner(owner);
}

void FakeGuest::end()
{
    if (ended_)
        return;
    ended_ = true;
    owner.dying = true;
    while (!mm::relinquish(owner).ok()) {
    }
}

Mfn FakeGuest::page()
{
    Result<Mfn> fresh = mm::assign_new_frames(owner, 0);
    if (!fresh.ok()) {
        std::fprintf(stderr, "no frame for the fake guest: error %d\n", static_cast<int>(fresh.error()));
        std::abort();
    }
    return fresh.value();
}

Result<void> FakeGuest::pin(Mfn mfn, mm::PageType type)
{
    return to_the_end(owner, [&] { return mm::pin(owner, mfn, type); });
}

Result<void> FakeGuest::unpin(Mfn mfn)
{
    const Result<void> result = mm::unpin(owner, mfn);
    while (!mm::finish_pending(owner).ok()) {
    }
    return result;
}

Result<void> FakeGuest::update(Mfn table, unsigned index, u64 value, mm::AccessedDirty ad)
{
    const mm::Parties parties{.tables = owner, .data = owner, .caller = owner};
    mm::FlushNeeded flush{};
    const auto result =
        to_the_end(owner, [&] { return mm::update_entry(parties, entry_address(table, index), value, ad, flush); });
    while (!mm::finish_pending(owner).ok()) {
    }
    return result;
}

Result<void> FakeGuest::update_for(mm::Owner& data, Mfn table, unsigned index, u64 value)
{
    const mm::Parties parties{.tables = owner, .data = data, .caller = owner};
    mm::FlushNeeded flush{};
    return to_the_end(owner, [&] {
        return mm::update_entry(parties, entry_address(table, index), value, mm::AccessedDirty::replace, flush);
    });
}

FakeGuest::Tree FakeGuest::tree()
{
    const Tree t{page(), page(), page(), page()};
    store(t.l4, 0, entry_for(t.l3, table_flags));
    store(t.l3, 0, entry_for(t.l2, table_flags));
    store(t.l2, 0, entry_for(t.l1, table_flags));
    return t;
}

}

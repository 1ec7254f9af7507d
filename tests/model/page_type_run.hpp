// One run of random requests to the memory manager, with the brute-force specification beside it. Two domains, of which
// the first is privileged.
#pragma once

#include "tests/model/page_type_spec.hpp"
#include "tests/support/choices.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <memory>

namespace xylem::test {

using mm::PageType;

class PageTypeRun {
public:
    static constexpr unsigned frames_each = 10;

    explicit PageTypeRun(Choices& choices) : choices_(choices)
    {
        spec_.m2p_slot_value = mm::template_root[256];
        spec_.slot_value = [this](int owner, unsigned slot) { return mm::hypervisor_slot(guest(owner).owner, slot); };
        for (u16 id = 0; id < 2; ++id) {
            guests_.push_back(std::make_unique<FakeGuest>(id));
            guests_[id]->owner.privileged = id == 0;
            spec_.domains.push_back({.privileged = id == 0});
            for (unsigned i = 0; i < frames_each; ++i) {
                const Mfn mfn = guests_[id]->page();
                frames_.push_back(mfn);
                spec_.pages[mfn.value].owner = id;
            }
        }
    }

    ~PageTypeRun()
    {
        session_.machine.preempt_every(0);
        for (Mfn mfn : roots_)
            mm::put_root(mfn);
        for (Mfn mfn : writable_)
            mm::put_writable_page(mfn);
        // Guests hold each other's frames: both give back, then both are drained.
        for (auto& guest : guests_)
            guest->end();
    }

    /// One random request. @return what it was
    std::string step()
    {
        session_.machine.preempt_every(one_in(3) ? 1 + pick(6) : 0);
        switch (pick(12)) {
        case 0:
        case 1:
            return pin();
        case 2:
            return unpin();
        case 3:
            return root();
        case 4:
            return writable();
        case 5:
            return one_in(4) ? give_back() : update();
        default:
            return update();
        }
    }

    std::string differences()
    {
        std::string text = adopt_forced_bits();
        for (Mfn mfn : frames_)
            text += difference(mfn);
        for (Mfn mfn : frames_)
            if (mm::type_count(mfn) && mm::is_page_table(mm::page_type(mfn)) &&
                session_.machine.may_be_written_through_tlb(mfn))
                text += "a page table may be written through a TLB\n";
        return text;
    }

    std::string audit()
    {
        return FakeGuest::audit_all({&guests_[0]->owner, &guests_[1]->owner}, [&](mm::Audit& audit) {
            for (Mfn mfn : roots_)
                audit.expect_typed(mfn, PageType::l4, "a root");
            for (Mfn mfn : writable_)
                audit.expect_typed(mfn, PageType::writable, "a writable page");
        });
    }

private:
    unsigned pick(unsigned n) { return choices_.below(n); }
    bool one_in(unsigned n) { return pick(n) == 0; }
    int domain() { return static_cast<int>(pick(2)); }
    Mfn any_frame() { return frames_[pick(static_cast<unsigned>(frames_.size()))]; }
    /// Mostly a frame of the domain, so that requests have a chance.
    Mfn frame_of(int domain)
    {
        return one_in(12) ? any_frame() : frames_[static_cast<unsigned>(domain) * frames_each + pick(frames_each)];
    }
    PageType some_type() { return static_cast<PageType>(1 + pick(4)); }
    unsigned some_index()
    {
        constexpr unsigned indices[] = {0, 1, 2, 255, 256, 271, 272, 511};
        return indices[pick(one_in(4) ? 8 : 3)];
    }
    u64 some_flags()
    {
        u64 flags = pte::present;
        if (one_in(2))
            flags |= pte::writable;
        if (one_in(2))
            flags |= pte::user;
        constexpr u64 rare[] = {pte::write_through, pte::cache_disable, pte::page_size, pte::global,   pte::dirty,
                                pte::no_execute,    pte::guest_kernel,  u64{1} << 9,    pte::accessed, u64{1} << 60};
        if (one_in(3))
            flags |= rare[pick(10)];
        return flags;
    }

    static std::string told(const char* what, bool got, bool wanted)
    {
        return std::string(what) + (got == wanted ? ""
                                    : got         ? ": ACCEPTED, but should be refused"
                                                  : ": REFUSED, but should be accepted");
    }

    std::string pin()
    {
        const int d = domain();
        const Mfn mfn = frame_of(d);
        const PageType type = some_type();
        const bool got = guest(d).pin(mfn, type).ok();
        finish();
        return told("pin", got, spec_.pin(d, mfn.value, type));
    }
    std::string unpin()
    {
        const int d = domain();
        const Mfn mfn = frame_of(d);
        const bool got = guest(d).unpin(mfn).ok();
        return told("unpin", got, spec_.unpin(d, mfn.value));
    }
    std::string root()
    {
        if (!roots_.empty() && one_in(2)) {
            const Mfn mfn = take_from(roots_);
            mm::put_root(mfn);
            finish();
            spec_.put_root(mfn.value);
            return "put_root";
        }
        const int d = domain();
        const Mfn mfn = frame_of(d);
        const bool got = to_the_end(guest(d).owner, [&] { return mm::take_root(guest(d).owner, mfn); }).ok();
        finish();
        if (got)
            roots_.push_back(mfn);
        return told("take_root", got, spec_.take_root(d, mfn.value));
    }
    std::string writable()
    {
        if (!writable_.empty() && one_in(2)) {
            const Mfn mfn = take_from(writable_);
            mm::put_writable_page(mfn);
            spec_.put_writable(mfn.value);
            return "put_writable_page";
        }
        const int d = domain();
        const Mfn mfn = frame_of(d);
        const bool got = mm::get_writable_page(guest(d).owner, mfn).ok();
        if (got)
            writable_.push_back(mfn);
        return told("get_writable_page", got, spec_.take_writable(d, mfn.value));
    }
    std::string give_back()
    {
        const int d = domain();
        const Mfn mfn = frame_of(d);
        const bool got = mm::give_back(guest(d).owner, mfn).ok();
        return told("give_back", got, spec_.give_back(d, mfn.value));
    }
    std::string update()
    {
        // Only the privileged one may name another's frames: the hypercall sees to that.
        const int d = domain(), data = d == 0 && one_in(4) ? 1 : d;
        const Mfn table = frame_of(d), target = frame_of(data);
        const unsigned index = some_index();
        const u64 value = one_in(4) ? 0 : entry_for(target, some_flags());
        const bool got = guest(d).update_for(guest(data).owner, table, index, value).ok();
        finish();
        return told("update", got, spec_.update(d, data, table.value, index, value));
    }

    FakeGuest& guest(int d) { return *guests_[static_cast<size_t>(d)]; }
    void finish()
    {
        for (auto& g : guests_)
            while (!mm::finish_pending(g->owner).ok()) {
            }
    }
    Mfn take_from(std::vector<Mfn>& list)
    {
        const unsigned at = pick(static_cast<unsigned>(list.size()));
        const Mfn mfn = list[at];
        list.erase(list.begin() + at);
        return mfn;
    }

    /// A validation that fails midway leaves the forced bits in the entries that it has passed: those of pages that are
    /// no table are taken over, anything else is a difference.
    std::string adopt_forced_bits()
    {
        constexpr u64 forced = pte::user | pte::accessed | pte::global | pte::guest_kernel;
        for (auto& [mfn, page] : spec_.pages)
            for (unsigned i = 0; page.types == 0 && i < abi::page_table_entries; ++i) {
                const u64 real = machine::map<u64>(Mfn(mfn))[i];
                const u64 wanted = page.words.contains(i) ? page.words[i] : 0;
                if ((real ^ wanted) & ~forced)
                    return "word " + std::to_string(i) + " of a page that is no table has changed\n";
                if (real)
                    page.words[i] = real;
            }
        return "";
    }

    std::string difference(Mfn mfn)
    {
        const auto at = spec_.pages.find(mfn.value);
        const bool lives = at != spec_.pages.end();
        if (!lives)
            return mm::reference_count(mfn) == 0 ? "" : "a frame lives that should be free\n";
        const model::SpecPage& page = at->second;
        std::string text;
        const auto differ = [&](const char* what, u64 got, u64 wanted) {
            if (got != wanted)
                text +=
                    std::string(what) + " is " + std::to_string(got) + ", should be " + std::to_string(wanted) + "\n";
        };
        differ("reference count", mm::reference_count(mfn), static_cast<u64>(page.references));
        differ("type count", mm::type_count(mfn), static_cast<u64>(page.types));
        if (page.types)
            differ("type", static_cast<u64>(mm::page_type(mfn)), static_cast<u64>(page.type));
        differ("pinned", mm::is_pinned(mfn), page.pinned);
        if (page.types && page.type != PageType::writable)
            for (const auto& [index, word] : page.words)
                differ("an entry", machine::map<u64>(mfn)[index], word);
        return text;
    }

    Session session_;
    Choices& choices_;
    std::vector<std::unique_ptr<FakeGuest>> guests_;
    std::vector<Mfn> frames_, roots_, writable_;
    model::Spec spec_;
};

}

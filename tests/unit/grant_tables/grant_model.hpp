// Four domains that grant, map, unmap, copy, revoke and write page tables, two of which also make page tables of frames
// that they grant; and a brute-force model of it, down to every reference, type and mark.
#pragma once

#include "tests/support/choices.hpp"
#include "tests/unit/grant_tables/grant_domain.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace xylem::grant_tables::test {

class GrantModel {
public:
    static constexpr unsigned domain_count = 4, refs = 10, slots = 12, frames_each = 5;
    static constexpr u32 first_ref = 8;

    struct ModelSlot {
        Mfn mfn = invalid_mfn;
        bool writable = false;
    };

    struct ModelHandle {
        unsigned granter, ref;
        Mfn mfn;
        bool host, device, writable, by_entry;
    };

    /// What the hypervisor must have understood of a grant in use.
    struct ModelUse {
        unsigned user = 0;
        Mfn mfn = invalid_mfn;
        unsigned readers = 0, writers = 0;
        bool active() const { return readers + writers != 0; }
    };

    explicit GrantModel(xylem::test::Choices& source) : choices(source)
    {
        for (unsigned i = 0; i < domain_count; ++i) {
            domains.emplace_back(new GrantDomain(static_cast<u16>(i + 1)));
            for (unsigned f = 0; f < frames_each; ++f)
                frames.push_back(domains[i]->page());
        }
    }

    unsigned pick(unsigned below) { return choices.below(below); }
    bool chance(unsigned percent) { return pick(100) < percent; }
    unsigned owner_of(Mfn mfn)
    {
        const auto at = std::find(frames.begin(), frames.end(), mfn) - frames.begin();
        return static_cast<unsigned>(at) / frames_each;
    }
    Mfn frame_of(unsigned domain) { return frames[domain * frames_each + pick(frames_each)]; }

    // ---- The guests' side

    void do_grant()
    {
        const unsigned granter = pick(domain_count), ref = pick(refs);
        const Mfn mfn = chance(95) ? frame_of(granter) : frames[pick(static_cast<unsigned>(frames.size()))];
        const auto to = static_cast<u16>(pick(domain_count) + 1);
        abi::GrantEntryV1& entry = domains[granter]->entry(first_ref + ref);
        if (uses[granter][ref].active()) {
            // It changes what it must not change, behind the back of who uses the grant.
            entry.frame = static_cast<u32>(mfn.value);
            entry.domid = to;
            return;
        }
        entry.flags = abi::gtf_permit_access | (chance(30) ? abi::gtf_readonly : u16{0});
        entry.domid = to;
        entry.frame = static_cast<u32>(mfn.value);
    }
    void do_revoke()
    {
        const unsigned granter = pick(domain_count), ref = pick(refs);
        const bool used = uses[granter][ref].active();
        EXPECT_EQ(domains[granter]->revoke(first_ref + ref), !used);
    }
    void do_write_entry()
    {
        const unsigned domain = pick(domain_count), slot = pick(slots);
        const bool writable = chance(50);
        const Mfn mfn = chance(50) ? frame_of(domain) : invalid_mfn;
        const u64 value = mfn == invalid_mfn ? 0
                                             : address_of(mfn).value | abi::pte::present | abi::pte::user |
                                                   (writable ? abi::pte::writable : 0);
        const bool done = domains[domain]->write_pte(slot, value).ok();
        const bool refused = mfn != invalid_mfn && writable && pinned.contains(mfn.value);
        EXPECT_EQ(done, !refused);
        if (done)
            tables[domain][slot] = {mfn, mfn != invalid_mfn && writable};
    }
    void do_pin()
    {
        const unsigned domain = pick(domain_count);
        const Mfn mfn = frame_of(domain);
        if (pinned.contains(mfn.value)) {
            EXPECT_TRUE(mm::unpin(domains[domain]->owner, mfn).ok());
            pinned.erase(mfn.value);
            return;
        }
        const bool done = mm::pin(domains[domain]->owner, mfn, mm::PageType::l1).ok();
        EXPECT_EQ(done, writable_uses(mfn) == 0);
        if (done)
            pinned.insert(mfn.value);
    }

    // ---- Grant operations

    enum class Way { map, copy };
    /// How a use of a grant must come out; `mfn` is the frame used.
    Status predict_pin(unsigned granter, unsigned ref, unsigned user, bool writable, Mfn& mfn, Way way)
    {
        const ModelUse& use = uses[granter][ref];
        const abi::GrantEntryV1 entry = domains[granter]->entry(first_ref + ref);
        if (use.active() && use.user != user)
            return Status::general_error;
        const bool permits = (entry.flags & (abi::gtf_type_mask | abi::gtf_sub_page)) == abi::gtf_permit_access;
        if (!use.active() && (!permits || entry.domid != user + 1))
            return Status::general_error;
        const bool checks_write = writable && (!use.active() || use.writers == 0);
        if (checks_write && (entry.flags & abi::gtf_readonly))
            return Status::general_error;
        // The first copy to write looks again, and is content with what was there before alone.
        if (way == Way::copy && checks_write && use.active() && Mfn(entry.frame) != use.mfn)
            return Status::general_error;
        mfn = use.active() ? use.mfn : Mfn(entry.frame);
        if (owner_of(mfn) != granter)
            return Status::bad_page;
        return writable && pinned.contains(mfn.value) ? Status::general_error : Status::okay;
    }

    void do_map()
    {
        const unsigned user = pick(domain_count), granter = pick(domain_count), ref = pick(refs), slot = pick(slots);
        const bool device = chance(25), host = !device || chance(60), writable = chance(50), by_entry = chance(30);
        Mfn mfn{};
        const Status expected = predict_pin(granter, ref, user, writable, mfn, Way::map);
        abi::GnttabMapGrantRef op{};
        op.host_addr = by_entry ? domains[user]->entry_address(slot).value : domains[user]->address(slot);
        op.flags = (host ? abi::gntmap_host_map : 0) | (device ? abi::gntmap_device_map : 0) |
                   (writable ? 0 : abi::gntmap_readonly) | (by_entry ? abi::gntmap_contains_pte : 0);
        op.ref = first_ref + ref;
        op.dom = static_cast<u16>(granter + 1);
        grant_tables::map(domains[user]->mapper(), domains[granter]->grants, op);
        ASSERT_EQ(op.status, expected);
        if (expected != Status::okay)
            return;
        EXPECT_EQ(op.dev_bus_addr, address_of(mfn).value);
        EXPECT_FALSE(handles[user].contains(op.handle)) << "a handle in use was given out";
        handles[user][op.handle] = {granter, ref, mfn, host, device, writable, by_entry};
        ModelUse& use = uses[granter][ref];
        use.user = user;
        use.mfn = mfn;
        (writable ? use.writers : use.readers) += host + device;
        if (host)
            tables[user][slot] = {mfn, writable};
    }

    void do_unmap()
    {
        const unsigned user = pick(domain_count);
        u32 handle = pick(40);
        if (!handles[user].empty() && chance(90))
            handle = std::next(handles[user].begin(), pick(static_cast<unsigned>(handles[user].size())))->first;
        const auto at = handles[user].find(handle);
        ModelHandle* known = at == handles[user].end() ? nullptr : &at->second;
        // Mostly an entry that does map the frame, if there is one.
        unsigned slot = pick(slots);
        if (known && chance(80))
            for (unsigned i = 0; i < slots; ++i)
                if (tables[user][i].mfn == known->mfn && tables[user][i].writable == known->writable)
                    slot = i;
        const bool by_entry = known && known->by_entry;
        abi::GnttabUnmapGrantRef op{};
        op.handle = handle;
        op.host_addr =
            chance(80) ? (by_entry ? domains[user]->entry_address(slot).value : domains[user]->address(slot)) : 0;
        if (known && chance(40))
            op.dev_bus_addr = address_of(known->mfn).value + (chance(10) ? page_size : 0);
        const Status got = domains[user]->unmap(op);
        if (!known) {
            EXPECT_EQ(got, Status::bad_handle);
            return;
        }
        if (op.dev_bus_addr != 0 && known->device && op.dev_bus_addr != address_of(known->mfn).value) {
            EXPECT_EQ(got, Status::bad_dev_addr);
            return;
        }
        const bool host = op.host_addr != 0 && known->host, device = op.dev_bus_addr != 0 && known->device;
        ModelSlot& entry = tables[user][slot];
        if (host && (entry.mfn != known->mfn || entry.writable != known->writable)) {
            EXPECT_EQ(got, Status::general_error);
            return;
        }
        ASSERT_EQ(got, Status::okay);
        ModelUse& use = uses[known->granter][known->ref];
        (known->writable ? use.writers : use.readers) -= host + device;
        if (host) {
            entry = {};
            known->host = false;
        }
        if (device)
            known->device = false;
        if (!known->host && !known->device)
            handles[user].erase(handle);
    }

    void do_copy()
    {
        const unsigned user = pick(domain_count), granter = pick(domain_count), ref = pick(refs);
        const bool writable = chance(50);
        Mfn mfn{};
        const Status expected = predict_pin(granter, ref, user, writable, mfn, Way::copy);
        CopyPage page;
        const Status got = page.take_granted(domains[granter]->grants, first_ref + ref, domains[user]->owner.id,
                                             writable ? Access::writable : Access::read_only);
        EXPECT_EQ(got, expected);
        if (got == Status::okay) {
            EXPECT_EQ(page.data(), machine::map(mfn));
        }
    }

    void step()
    {
        switch (pick(10)) {
        case 0:
        case 1:
            return do_grant();
        case 2:
            return do_revoke();
        case 3:
            return do_write_entry();
        case 4:
            return do_pin();
        case 5:
        case 6:
            return do_map();
        case 7:
        case 8:
            return do_unmap();
        default:
            return do_copy();
        }
    }

    // ---- Comparison

    u64 writable_uses(Mfn mfn)
    {
        u64 count = 0;
        for (auto& table : tables)
            for (const ModelSlot& slot : table)
                count += slot.mfn == mfn && slot.writable;
        for (auto& of_user : handles)
            for (const auto& [number, handle] : of_user)
                count += handle.mfn == mfn && handle.device && handle.writable;
        return count;
    }
    void compare()
    {
        for (const Mfn mfn : frames) {
            u64 references = 1 + pinned.count(mfn.value);
            for (auto& table : tables)
                for (const ModelSlot& slot : table)
                    references += slot.mfn == mfn;
            for (auto& of_user : handles)
                for (const auto& [number, handle] : of_user)
                    references += handle.mfn == mfn;
            ASSERT_EQ(mm::reference_count(mfn), references) << "frame " << mfn.value;
            const u64 writable = writable_uses(mfn);
            ASSERT_FALSE(writable && pinned.contains(mfn.value)) << "a page table is mapped writable";
            ASSERT_EQ(mm::type_count(mfn), writable + pinned.count(mfn.value)) << "frame " << mfn.value;
        }
        for (unsigned domain = 0; domain < domain_count; ++domain) {
            for (unsigned slot = 0; slot < slots; ++slot) {
                const ModelSlot& expected = tables[domain][slot];
                if (expected.mfn == invalid_mfn) {
                    ASSERT_EQ(domains[domain]->pte(slot) & abi::pte::present, 0u);
                } else {
                    ASSERT_TRUE(domains[domain]->maps(slot, expected.mfn));
                    ASSERT_EQ((domains[domain]->pte(slot) & abi::pte::writable) != 0, expected.writable);
                }
            }
            for (unsigned ref = 0; ref < refs; ++ref) {
                const ModelUse& use = uses[domain][ref];
                const u16 marks =
                    static_cast<u16>((use.active() ? abi::gtf_reading : 0) | (use.writers ? abi::gtf_writing : 0));
                ASSERT_EQ(domains[domain]->marks(first_ref + ref), marks) << "domain " << domain << " ref " << ref;
            }
        }
    }

    xylem::test::Session session;
    std::vector<std::unique_ptr<GrantDomain>> domains;
    std::vector<Mfn> frames;
    std::set<u64> pinned;
    ModelSlot tables[domain_count][slots];
    ModelUse uses[domain_count][refs];
    std::map<u32, ModelHandle> handles[domain_count];
    xylem::test::Choices& choices;
};

}

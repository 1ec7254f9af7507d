// A domain as the memory manager knows it, for tests: frames, page tables written as a guest's kernel would, updates.
#pragma once

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/mm/audit.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/mm/update.hpp"

#include <initializer_list>
#include <ostream>
#include <string>

namespace xylem {

inline void PrintTo(const Result<void>& result, std::ostream* out)
{
    *out << (result.ok() ? "ok" : "error ") << (result.ok() ? 0 : static_cast<int>(result.error()));
}
inline void PrintTo(Mfn mfn, std::ostream* out)
{
    *out << "mfn 0x" << std::hex << mfn.value << std::dec;
}

}

namespace xylem::test {

namespace pte = abi::pte;

inline constexpr u64 table_flags = pte::present | pte::writable | pte::user | pte::accessed | pte::dirty;
inline constexpr u64 rw = pte::present | pte::writable | pte::user | pte::accessed | pte::dirty;
inline constexpr u64 ro = pte::present | pte::user | pte::accessed | pte::dirty;

constexpr u64 entry_for(Mfn mfn, u64 flags)
{
    return address_of(mfn).value | flags;
}
constexpr MachineAddress entry_address(Mfn table, unsigned index)
{
    return address_of(table) + index * sizeof(u64);
}

/// What an error was, with Preempted calls repeated until they are done.
template <typename Call> Result<void> to_the_end(mm::Owner& owner, Call call)
{
    for (;;) {
        while (!mm::finish_pending(owner).ok()) {
        }
        const auto result = call();
        if (result.ok() || result.error() != Error::Preempted)
            return result.ok() ? Result<void>{} : Result<void>(result.error());
    }
}

class FakeGuest {
public:
    explicit FakeGuest(u16 id = 1, u64 max_pages = 100000);
    ~FakeGuest();
    FakeGuest(const FakeGuest&) = delete;

    mm::Owner owner;

    /// A frame of zeroes.
    Mfn page();
    /// Writes an entry as the guest does into a page that is no table yet.
    void store(Mfn table, unsigned index, u64 value) { entry(table, index) = value; }
    u64& entry(Mfn table, unsigned index) { return machine::map<u64>(table)[index]; }

    Result<void> pin(Mfn mfn, mm::PageType type);
    Result<void> unpin(Mfn mfn);
    /// mmu_update of one entry.
    Result<void> update(Mfn table, unsigned index, u64 value, mm::AccessedDirty ad = mm::AccessedDirty::replace);
    Result<void> update_for(mm::Owner& data, Mfn table, unsigned index, u64 value);

    /// L4 -> L3 -> L2 -> L1 with one L1 that maps `pages` (writable); not pinned.
    struct Tree {
        Mfn l4, l3, l2, l1;
    };
    Tree tree();
    /// Gives back everything, as at a domain's end. The destructor does it if it has not been done.
    void end();

    /// What the audit finds amiss, with this guest as the only one, beside references that `expect` tells it of.
    template <typename Expect> std::string audit(Expect expect) { return audit_all({&owner}, expect); }
    std::string audit()
    {
        return audit([](mm::Audit&) {});
    }
    template <typename Expect> static std::string audit_all(std::initializer_list<mm::Owner*> owners, Expect expect)
    {
        std::string text(1 << 16, ' ');
        mm::AuditReport report(text.data(), text.size());
        mm::Audit audit(report);
        if (!audit.prepare().ok())
            return "no memory for the audit";
        expect(audit);
        for (mm::Owner* each : owners)
            audit.walk(*each);
        audit.check();
        text.resize(report.length());
        return text;
    }

private:
    bool ended_ = false;
};

}

// What page types ought to do, by brute force: nothing incremental, nothing clever. A frame's type is what its holders
// make of it; a request is tried on a copy of the whole state, and the copy is kept if it succeeds.
//
// Written from the rules (docs/pv-abi.md 3.1 to 3.5), not from the code that it judges.
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/frame.hpp"

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace xylem::model {

using mm::PageType;

struct SpecPage {
    int owner = 0;
    PageType type = PageType::none; ///< of the holders, while types > 0
    int references = 1;             ///< its being allocated, and all holders
    int types = 0;
    int linear_entries = 0, linear_targets = 0;
    bool pinned = false, allocated = true;
    std::map<unsigned, u64> words; ///< those that are not zero
};

/// Who may map what.
struct SpecDomain {
    bool privileged = false;
};

class Spec {
public:
    std::map<u64, SpecPage> pages; ///< by mfn
    std::vector<SpecDomain> domains;
    /// What the hypervisor puts into a root's slot of its own.
    std::function<u64(int owner, unsigned slot)> slot_value;
    u64 m2p_slot_value = 0;

    bool pin(int owner, u64 mfn, PageType type);
    bool unpin(int owner, u64 mfn);
    bool take_root(int owner, u64 mfn);
    void put_root(u64 mfn);
    bool take_writable(int owner, u64 mfn);
    void put_writable(u64 mfn);
    /// mmu_update: `data` is the named owner of the data.
    bool update(int tables, int data, u64 table, unsigned index, u64 value);
    bool give_back(int owner, u64 mfn);

private:
    bool take(int owner, u64 mfn, PageType type);
    void put(u64 mfn);
    bool take_type(u64 mfn, PageType type);
    void put_type(u64 mfn);
    void drop_reference(u64 mfn);
    /// @return the entry to store, or nothing if it is refused; the state is then spoilt
    std::optional<u64> take_entry(int tables, int data, u64 table, unsigned level, u64 entry);
    bool take_data(int tables, int data, u64 entry);
    bool take_linear(int owner, u64 table, unsigned level, u64 entry);
    void put_entry(u64 table, unsigned level, u64 entry);
    void set_word(u64 mfn, unsigned index, u64 value);
    SpecPage* find(u64 mfn);
};

}

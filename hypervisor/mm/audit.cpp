// The walk of page tables, and the comparison with the frame table.

#include "hypervisor/mm/audit.hpp"

#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/roots.hpp"

namespace xylem::mm {

void AuditReport::append(const char* line, size_t length)
{
    for (size_t i = 0; i < length; ++i, ++length_)
        if (length_ < capacity_)
            text_[length_] = line[i];
}

Result<void> Audit::prepare()
{
    group_count_ = (machine::max_mfn.value + frames_per_group - 1) / frames_per_group;
    groups_ = make_array<Found*>(group_count_);
    if (!groups_)
        return Error::NoMemory;
    for (u64 i = 0; i < group_count_; ++i) {
        if (!(backed_groups[i / 64] >> (i % 64) & 1))
            continue;
        groups_[i] = static_cast<Found*>(allocate_bytes(frames_per_group * sizeof(Found)));
        if (!groups_[i])
            return Error::NoMemory;
    }
    return {};
}

Audit::~Audit()
{
    if (!groups_)
        return;
    for (u64 i = 0; i < group_count_; ++i)
        if (groups_[i])
            free_bytes(groups_[i]);
    free_bytes(groups_);
}

Audit::Found* Audit::found(Mfn mfn)
{
    return is_ram(mfn) ? groups_[mfn.value / frames_per_group] + mfn.value % frames_per_group : nullptr;
}

void Audit::expect_reference(Mfn mfn, const char* holder)
{
    if (Found* f = found(mfn))
        ++f->references;
    else
        report_.violation(3, "{} refers to frame {:x}, which is no RAM", holder, mfn);
}

void Audit::expect_typed(Mfn mfn, PageType type, const char* holder)
{
    expect_reference(mfn, holder);
    Found* f = found(mfn);
    if (!f)
        return;
    ++f->types;
    if (page_type(mfn) != type)
        report_.violation(type == PageType::writable ? 1 : 3, "{} uses frame {:x} as type {}, but it is of type {}",
                          holder, mfn, type, page_type(mfn));
}

void Audit::expect_granted(const Owner& owner, DomId granter)
{
    for (unsigned i = 0; i < granted_count_; ++i)
        if (granted_[i].mapper == owner.id && granted_[i].granter == granter)
            return;
    if (granted_count_ < max_granted)
        granted_[granted_count_++] = {owner.id, granter};
}

bool Audit::may_map(const Owner& owner, Mfn mfn) const
{
    const DomId its_owner = frame(mfn).owner;
    if (its_owner == owner.id || owner.privileged)
        return true;
    for (unsigned i = 0; i < granted_count_; ++i)
        if (granted_[i].mapper == owner.id && granted_[i].granter == its_owner)
            return true;
    return false;
}

void Audit::walk_l1_entry(Owner& owner, Mfn table, unsigned index, u64 entry)
{
    const Mfn target = target_of(entry);
    if (!(entry & pte::user))
        report_.violation(1, "entry {} of the L1 table {:x} of d{} is a supervisor page", index, table, owner.id);
    if (!is_ram(target)) {
        // The permission may have been taken back since; the entry then stays until the domain removes it.
        if (owner.io_memory.empty())
            report_.violation(2, "d{} maps frame {:x}, which is no RAM, in its L1 table {:x}", owner.id, target, table);
        return;
    }
    if (!may_map(owner, target))
        report_.violation(2, "d{} maps frame {:x} of d{} in its L1 table {:x}", owner.id, target, frame(target).owner,
                          table);
    if (entry & pte::writable)
        expect_typed(target, PageType::writable, "a writable mapping");
    else
        expect_reference(target, "a mapping");
}

void Audit::walk_table_entry(Owner& owner, Mfn table, unsigned level, unsigned index, u64 entry)
{
    const Mfn target = target_of(entry);
    if (entry & forbidden_flags(level, false))
        report_.violation(2, "entry {} of the L{} table {:x} has forbidden flags: {:x}", index, level, table, entry);
    if (target == table) {
        if (entry & pte::writable)
            report_.violation(1, "the L{} table {:x} maps itself writable", level, table);
        return;
    }
    const bool linear = is_ram(target) && page_type(target) == page_table_type(level);
    if (linear && (entry & pte::writable))
        report_.violation(1, "entry {} of the L{} table {:x} is linear and writable", index, level, table);
    expect_typed(target, page_table_type(linear ? level : level - 1), "a page-table entry");
    if (is_ram(target) && frame(target).owner != owner.id)
        report_.violation(2, "the L{} table {:x} of d{} uses the table {:x} of d{}", level, table, owner.id, target,
                          frame(target).owner);
}

void Audit::walk_table(Owner& owner, Mfn table, unsigned level, unsigned entries)
{
    const u64* words = machine::map<u64>(table);
    for (unsigned i = 0; i < entries; ++i) {
        const u64 entry = atomic_load(&words[i]);
        if (!is_present(entry))
            continue;
        if (is_hypervisor_slot(level, i)) {
            constexpr u64 set_by_hardware = pte::accessed | pte::dirty;
            if (i != abi::mach2phys_slot && ((entry ^ hypervisor_slot(owner, i)) & ~set_by_hardware))
                report_.violation(1, "slot {} of the root {:x} of d{} is not the hypervisor's: {:x}", i, table,
                                  owner.id, entry);
        } else if (level == 1) {
            walk_l1_entry(owner, table, i, entry);
        } else {
            walk_table_entry(owner, table, level, i, entry);
        }
    }
}

void Audit::walk_frame(Owner& owner, Mfn mfn)
{
    const Frame& f = frame(mfn);
    if (f.owner != owner.id)
        report_.violation(4, "frame {:x} is in the list of d{} but belongs to d{}", mfn, owner.id, f.owner);
    if (f.count_info & count_bits::allocated)
        expect_reference(mfn, "its being allocated");
    if (f.type_info & type_bits::pinned)
        expect_typed(mfn, page_type(mfn), "a pin");
    const bool partial = f.type_info & type_bits::partial;
    if (partial)
        expect_typed(mfn, page_type(mfn), "an interrupted validation");
    if (type_bits::count(f.type_info) && is_page_table(page_type(mfn)))
        walk_table(owner, mfn, level_of(page_type(mfn)), partial ? f.progress : abi::page_table_entries);
}

void Audit::walk_list(Owner& owner, const FrameList& list)
{
    for (u32 number = list.first; number != no_frame; number = frame_table[number].next)
        walk_frame(owner, Mfn(number));
}

void Audit::walk(Owner& owner)
{
    walk_list(owner, owner.pages);
    walk_list(owner, owner.unfinished);
    walk_list(owner, owner.relinquished);
}

void Audit::check_frame(Mfn mfn, const Found& seen)
{
    const Frame& f = frame(mfn);
    const u64 references = f.count_info & count_bits::count_mask;
    // A frame that the hypervisor shares is in no list: its being shared is a reference and a type reference.
    const u32 shared = (f.count_info & count_bits::hypervisor) && (f.count_info & count_bits::allocated) ? 1 : 0;
    if (references != seen.references + shared)
        report_.violation(3, "frame {:x} of d{} has {} references, but {} are found", mfn, f.owner, references,
                          seen.references + shared);
    if (f.count_info & count_bits::free) {
        ++free_frames_;
        if (references)
            report_.violation(4, "frame {:x} is free, and referred to {} times", mfn, references);
        return;
    }
    if (references == 0)
        return; // the hypervisor's own: the type word may be otherwise used (objects.cpp)
    if (type_bits::count(f.type_info) != seen.types + shared)
        report_.violation(3, "frame {:x} of d{} has {} references of type {}, but {} are found", mfn, f.owner,
                          type_bits::count(f.type_info), page_type(mfn), seen.types + shared);
    if (!find_owner(f.owner))
        report_.violation(4, "frame {:x} belongs to d{}, which is no more", mfn, f.owner);
}

void Audit::check()
{
    for (u64 group = 0; group < group_count_; ++group)
        for (u64 i = 0; groups_[group] && i < frames_per_group; ++i)
            if (const Mfn mfn(group * frames_per_group + i); is_ram(mfn))
                check_frame(mfn, groups_[group][i]);
    if (free_frames_ != free_frame_count())
        report_.violation(4, "{} frames are marked free, but the heap counts {}", free_frames_, free_frame_count());
}

}

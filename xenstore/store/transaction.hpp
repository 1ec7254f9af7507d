// A transaction: a saved root, a private one, and a log of what was looked at and what was changed.
//
// It commits if everything it looked at still reads the same in the store of the commit; then its changes, replayed
// there, do what they did in private, and the whole is as if it had run at that moment. So transactions on different
// paths never fail each other, and a sibling's creation is no conflict for one who did not list the directory.
#pragma once

#include "xenstore/store/tree.hpp"

#include <unordered_map>

namespace xylem::xenstore {

/// What an operation may have learned of a path.
enum class Aspect : u8 { existence = 1, value = 2, permissions = 4, children = 8 };
constexpr Aspect operator|(Aspect a, Aspect b)
{
    return static_cast<Aspect>(static_cast<u8>(a) | static_cast<u8>(b));
}
constexpr bool has(Aspect set, Aspect one)
{
    return (static_cast<u8>(set) & static_cast<u8>(one)) != 0;
}

/// What a transaction has to do with a path.
struct Interest {
    Aspect looked_at;
    bool wants_event = false; ///< at the commit
};

class Transaction {
public:
    Transaction(NodeRef root, u64 changes_so_far) : snapshot_(root), draft_(std::move(root)), started_(changes_so_far)
    {
    }

    const NodeRef& root() const { return draft_.root(); }
    const NodeRef& snapshot() const { return snapshot_; }
    /// What became of the snapshot in private.
    const Draft& draft() const { return draft_; }
    /// What its own changes cost each owner so far.
    const HoldingsByDomain& costs() const { return draft_.costs(); }
    u64 started() const { return started_; }

    void note(std::string_view path, Aspect aspect);
    /// Applies and logs all of `changes`, or none if memory runs out; an event for `event_path`, which was noted, is
    /// due at the commit.
    void change(std::vector<Change> changes, std::string_view event_path, u64& generation);

    /// All that it looked at is in `now` as it was.
    bool is_valid_in(const NodeRef& now) const;

    const std::vector<Change>& log() const { return log_; }
    bool wants_event_for(std::string_view path) const;

    /// It can only fail from now on: gives up what it holds.
    void doom();
    bool is_doomed() const { return doomed_; }

    /// Distinct paths looked at, and changes.
    std::size_t accesses() const { return paths_.size() + log_.size(); }
    /// What it counts of its domain's memory.
    std::size_t bytes() const { return bytes_; }

    /// See archive.hpp.
    template <typename Archive> void archive(Archive& with);

private:
    NodeRef snapshot_;
    Draft draft_;
    std::unordered_map<std::string, Interest, NameHash, std::equal_to<>> paths_;
    std::vector<Change> log_;
    std::size_t bytes_ = 0;
    u64 started_;
    bool doomed_ = false;
};

}

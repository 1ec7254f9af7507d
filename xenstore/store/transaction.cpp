// See transaction.hpp.
#include "xenstore/store/transaction.hpp"

#include <algorithm>

namespace xylem::xenstore {

namespace {

bool have_same_names(const Children& a, const Children& b)
{
    return std::ranges::equal(
        a, b, {}, [](const NodeRef& node) -> const std::string& { return node->name; },
        [](const NodeRef& node) -> const std::string& { return node->name; });
}

bool is_same(const Node* then, const Node* now, Aspect aspects)
{
    if (then == now)
        return true;
    if (!then || !now)
        return false;
    if (has(aspects, Aspect::value) && then->value != now->value)
        return false;
    if (has(aspects, Aspect::permissions) && *then->permissions != *now->permissions)
        return false;
    return !has(aspects, Aspect::children) || have_same_names(then->children, now->children);
}

}

void Transaction::note(std::string_view path, Aspect aspect)
{
    const auto [entry, is_new] = looked_at_.try_emplace(std::string(path), aspect);
    entry->second = entry->second | aspect;
    if (is_new)
        bytes_ += path.size();
}

void Transaction::change(std::vector<Change> changes, std::string_view event_path, u64& generation)
{
    // All or nothing, even if memory runs out: what can fail comes first.
    if (const std::size_t needed = log_.size() + changes.size(); needed > log_.capacity())
        log_.reserve(std::max(needed, 2 * log_.capacity()));
    event_paths_.emplace(event_path);
    Draft next = draft_;
    for (const Change& step : changes)
        next.apply(step, ++generation);
    draft_ = std::move(next);
    for (Change& step : changes) {
        bytes_ += step.path.size() + step.value.size();
        log_.push_back(std::move(step));
    }
}

bool Transaction::is_valid_in(const NodeRef& now) const
{
    if (doomed_)
        return false;
    return now == snapshot_ || std::ranges::all_of(looked_at_, [&](const auto& look) {
               return is_same(find(snapshot_, look.first), find(now, look.first), look.second);
           });
}

void Transaction::doom()
{
    doomed_ = true;
    snapshot_.reset();
    draft_ = Draft(nullptr);
    looked_at_.clear();
    log_.clear();
    event_paths_.clear();
    bytes_ = 0;
}

}

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

/// What is at `path` in both, as far as `aspects` go. Below a node that both share there is nothing to compare.
bool reads_the_same(const NodeRef& then, const NodeRef& now, std::string_view path, Aspect aspects)
{
    const Node* a = then.get();
    const Node* b = now.get();
    for (std::string_view name = next_component(path); a != b && !name.empty(); name = next_component(path)) {
        a = a ? a->children.find(name) : nullptr;
        b = b ? b->children.find(name) : nullptr;
    }
    return is_same(a, b, aspects);
}

}

void Transaction::note(std::string_view path, Aspect aspect)
{
    if (const auto known = paths_.find(path); known != paths_.end()) {
        Aspect& looked_at = known->second.looked_at;
        looked_at = looked_at | aspect;
        return;
    }
    paths_.emplace(path, Interest{aspect});
    bytes_ += path.size();
}

bool Transaction::wants_event_for(std::string_view path) const
{
    const auto known = paths_.find(path);
    return known != paths_.end() && known->second.wants_event;
}

void Transaction::change(std::vector<Change> changes, std::string_view event_path, u64& generation)
{
    if (const std::size_t needed = log_.size() + changes.size(); needed > log_.capacity())
        log_.reserve(std::max(needed, 2 * log_.capacity()));
    // One change is all or nothing by itself; several are made to a copy.
    if (changes.size() == 1) {
        draft_.apply(changes.front(), ++generation);
    } else {
        Draft next = draft_;
        for (const Change& step : changes)
            next.apply(step, ++generation);
        draft_ = std::move(next);
    }
    paths_.find(event_path)->second.wants_event = true;
    for (Change& step : changes) {
        bytes_ += step.path.size() + step.value.size();
        log_.push_back(std::move(step));
    }
}

bool Transaction::is_valid_in(const NodeRef& now) const
{
    if (doomed_)
        return false;
    return now == snapshot_ || std::ranges::all_of(paths_, [&](const auto& entry) {
               return reads_the_same(snapshot_, now, entry.first, entry.second.looked_at);
           });
}

void Transaction::doom()
{
    doomed_ = true;
    snapshot_ = nullptr;
    draft_ = Draft(nullptr);
    paths_.clear();
    log_.clear();
    bytes_ = 0;
}

}

// See grant_pool.hpp.
#include "backends/lib/grant_pool.hpp"

namespace xylem::backends {

bool GrantPool::make_room()
{
    if (pages_.size() < capacity_)
        return true;
    if (idle_.empty())
        return false;
    pages_.erase(idle_.front());
    idle_.pop_front();
    return true;
}

GrantPool::Acquired GrantPool::acquire(GrantRef ref)
{
    auto found = pages_.find(ref.value);
    if (found == pages_.end()) {
        if (!make_room())
            return {Outcome::full, nullptr};
        MappedPages mapping(memory_, {&ref, 1});
        if (!mapping)
            return {Outcome::refused, nullptr};
        idle_.push_back(ref.value);
        found = pages_.emplace(ref.value, Page{std::move(mapping), 0, std::prev(idle_.end())}).first;
    }
    if (found->second.users++ == 0)
        busy_.splice(busy_.end(), idle_, found->second.place);
    return {Outcome::mapped, found->second.mapping.data()};
}

void GrantPool::release(GrantRef ref)
{
    Page& page = pages_.at(ref.value);
    if (--page.users == 0)
        idle_.splice(idle_.end(), busy_, page.place);
}

}

// See watch.hpp.
#include "xenstore/store/watch.hpp"

#include <algorithm>

namespace xylem::xenstore {

namespace {

void sort_by_order(std::vector<Watch*>& watches)
{
    std::ranges::sort(watches, {}, [](const Watch* watch) { return watch->order; });
}

}

struct WatchIndex::Level {
    std::unordered_map<std::string, Level, NameHash, std::equal_to<>> below;
    std::vector<Watch*> watches;

    const Level* find(std::string_view name) const
    {
        const auto found = below.find(name);
        return found == below.end() ? nullptr : &found->second;
    }

    void add(std::string_view rest, Watch& watch)
    {
        const std::string_view name = next_component(rest);
        if (name.empty()) {
            watches.push_back(&watch);
            return;
        }
        auto found = below.find(name);
        if (found == below.end())
            found = below.emplace(std::string(name), Level()).first;
        found->second.add(rest, watch);
    }

    void remove(std::string_view rest, Watch& watch)
    {
        const std::string_view name = next_component(rest);
        if (name.empty()) {
            std::erase(watches, &watch);
            return;
        }
        const auto found = below.find(name);
        found->second.remove(rest, watch);
        if (found->second.watches.empty() && found->second.below.empty())
            below.erase(found);
    }

    void collect(std::vector<Watch*>& to) const
    {
        to.insert(to.end(), watches.begin(), watches.end());
        for (const auto& [name, level] : below)
            level.collect(to);
    }
};

std::string_view Watch::as_seen(std::string_view event_path) const
{
    return event_path.substr(std::min(hidden_bytes, event_path.size()));
}

WatchIndex::WatchIndex() : paths_(std::make_unique<Level>()), specials_(std::make_unique<Level>()) {}
WatchIndex::~WatchIndex() = default;

void WatchIndex::add(Watch& watch)
{
    (is_special(watch.path) ? specials_ : paths_)->add(watch.path, watch);
}

void WatchIndex::remove(Watch& watch)
{
    (is_special(watch.path) ? specials_ : paths_)->remove(watch.path, watch);
}

bool WatchIndex::has_any_near(std::string_view path) const
{
    // A level exists because of watches on it or below it.
    const Level* level = paths_.get();
    for (std::string_view name = next_component(path); !name.empty(); name = next_component(path)) {
        if (!level->watches.empty())
            return true;
        level = level->find(name);
        if (!level)
            return false;
    }
    return level != paths_.get() || !level->watches.empty() || !level->below.empty();
}

std::vector<Watch*> WatchIndex::covering(std::string_view path) const
{
    std::vector<Watch*> watches;
    if (is_special(path)) {
        // A special event is for those who watch exactly it: "/" watches nodes.
        if (const Level* level = specials_->find(path))
            watches = level->watches;
    } else {
        const Level* level = paths_.get();
        std::string_view rest = path;
        for (;;) {
            watches.insert(watches.end(), level->watches.begin(), level->watches.end());
            const std::string_view name = next_component(rest);
            level = name.empty() ? nullptr : level->find(name);
            if (!level)
                break;
        }
    }
    sort_by_order(watches);
    return watches;
}

const WatchIndex::Level* WatchIndex::level_at(std::string_view path) const
{
    const Level* level = paths_.get();
    for (std::string_view name = next_component(path); level && !name.empty(); name = next_component(path))
        level = level->find(name);
    return level;
}

std::vector<Watch*> WatchIndex::below(std::string_view path) const
{
    std::vector<Watch*> watches;
    if (const Level* level = level_at(path))
        for (const auto& [name, lower] : level->below)
            lower.collect(watches);
    sort_by_order(watches);
    return watches;
}

}

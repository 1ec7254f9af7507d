// The server's state as bytes, and back.
//
// One function an object, `archive`, names its parts in order; it serves both ways, so that what is saved and what is
// loaded cannot drift apart. Nodes and permissions that several owners share are saved once and shared again when they
// are loaded: a transaction's snapshot costs what it differs in.
#pragma once

#include "xenstore/store/tree.hpp"

#include <cstring>
#include <deque>
#include <stdexcept>
#include <unordered_map>

namespace xylem::xenstore {

class Saver {
public:
    static constexpr bool loads = false;

    std::string take() { return std::move(bytes_); }

    void raw(void* data, std::size_t size) { bytes_.append(static_cast<const char*>(data), size); }
    void node(NodeRef& node);
    void permissions(Permissions& list);

private:
    std::string bytes_;
    std::unordered_map<const void*, u32> numbers_; ///< of nodes and lists, by order of their completion
    u32 nodes_ = 0;
    u32 lists_ = 0;
};

class Loader {
public:
    static constexpr bool loads = true;

    /// `bytes` must outlive this.
    explicit Loader(std::string_view bytes) : rest_(bytes) {}

    /// @throws std::runtime_error  the bytes end too early: they are none of a Saver's
    void raw(void* data, std::size_t size)
    {
        if (size > rest_.size())
            throw std::runtime_error("the saved state is cut short");
        std::memcpy(data, rest_.data(), size);
        rest_.remove_prefix(size);
    }
    void node(NodeRef& node);
    void permissions(Permissions& list);
    bool is_at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
    std::vector<NodeRef> nodes_;
    std::vector<Permissions> lists_;
};

template <typename Archive, typename T>
requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void archive(Archive& with, T& value)
{
    with.raw(&value, sizeof value);
}
template <typename Archive> void archive(Archive& with, DomId& value)
{
    with.raw(&value.value, sizeof value.value);
}
template <typename Archive> void archive(Archive& with, NodeRef& node)
{
    with.node(node);
}
template <typename Archive> void archive(Archive& with, Permissions& list)
{
    with.permissions(list);
}
template <typename Archive> void archive(Archive& with, std::string& text)
{
    auto size = static_cast<u32>(text.size());
    archive(with, size);
    if constexpr (Archive::loads)
        text.resize(size);
    with.raw(text.data(), size);
}
template <typename Archive> void archive(Archive& with, Permission& entry)
{
    archive(with, entry.domain);
    archive(with, entry.access);
    archive(with, entry.is_void);
}
template <typename Archive> void archive(Archive& with, std::optional<DomId>& value)
{
    bool is_there = value.has_value();
    archive(with, is_there);
    if constexpr (Archive::loads)
        value = is_there ? std::optional(DomId(0)) : std::nullopt;
    if (is_there)
        archive(with, *value);
}
template <typename Archive> void archive(Archive& with, Holdings& holdings)
{
    archive(with, holdings.nodes);
    archive(with, holdings.bytes);
}
template <typename Archive> void archive(Archive& with, Change& change)
{
    archive(with, change.kind);
    archive(with, change.path);
    archive(with, change.value);
    archive(with, change.permissions);
}

/// Vectors and the like: `each` is called with every element.
template <typename Archive, typename Container, typename Each>
void archive_all(Archive& with, Container& container, const Each& each)
{
    auto count = static_cast<u32>(container.size());
    archive(with, count);
    if constexpr (Archive::loads) {
        for (u32 i = 0; i < count; ++i) {
            typename Container::value_type element{};
            each(element);
            container.push_back(std::move(element));
        }
    } else {
        for (auto& element : container)
            each(element);
    }
}
template <typename Archive, typename T> void archive(Archive& with, std::vector<T>& container)
{
    archive_all(with, container, [&](T& element) { archive(with, element); });
}

template <typename Archive, typename Map> void archive_map(Archive& with, Map& map)
{
    auto count = static_cast<u32>(map.size());
    archive(with, count);
    if constexpr (Archive::loads) {
        for (u32 i = 0; i < count; ++i) {
            typename Map::key_type key{};
            archive(with, key);
            archive(with, map[std::move(key)]);
        }
    } else {
        for (auto& [key, value] : map) {
            auto copy = key;
            archive(with, copy);
            archive(with, value);
        }
    }
}
}

// See tree.hpp.
#include "xenstore/store/tree.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace xylem::xenstore {

namespace {

/// Tells a name from most others of its directory by its size and its ends: within few instructions, for this is done a
/// hundred times in a transaction. In a hash table, names that it does not tell apart would make one long list.
u32 hash_of(std::string_view name)
{
    const std::size_t size = name.size();
    const auto load = [&]<typename Word>(std::size_t at, Word word) {
        std::memcpy(&word, name.data() + at, sizeof word);
        return u64{word};
    };
    u64 first = 0, last = 0;
    if (size >= sizeof(u64)) {
        first = load(0, u64{});
        last = load(size - sizeof(u64), u64{});
    } else if (size >= sizeof(u32)) {
        first = load(0, u32{});
        last = load(size - sizeof(u32), u32{});
    } else if (size > 0) {
        first = load(0, u8{});
        last = load(size / 2, u8{}) | load(size - 1, u8{}) << 8;
    }
    const u64 hash = (first ^ size) * 0x9E3779B97F4A7C15 + last * 0xC2B2AE3D27D4EB4F;
    return static_cast<u32>(hash >> 32);
}

Holdings holdings_of(const Node& node)
{
    return {1, static_cast<i64>(node.bytes() + node.name.size())};
}

}

std::size_t Children::index_of(std::string_view name) const
{
    constexpr std::size_t block = 8; // which the compiler makes a few instructions of
    const u32 hash = hash_of(name);
    const auto is_in_block = [&](const u32* hashes) {
        u32 found = 0;
        for (std::size_t i = 0; i < block; ++i)
            found |= hashes[i] == hash;
        return found != 0;
    };
    const std::size_t count = nodes_.size();
    std::size_t at = 0;
    while (at < count) {
        if (at + block <= count && !is_in_block(&hashes_[at])) {
            at += block;
            continue;
        }
        const std::size_t end = std::min(at + block, count);
        for (; at < end; ++at)
            if (hashes_[at] == hash && nodes_[at]->name == name)
                return at;
    }
    return not_found;
}

const Node* Children::find(std::string_view name) const
{
    const std::size_t index = index_of(name);
    return index == not_found ? nullptr : nodes_[index].get();
}

NodeRef* Children::slot(std::string_view name)
{
    const std::size_t index = index_of(name);
    return index == not_found ? nullptr : &nodes_[index];
}

void Children::add(NodeRef child)
{
    const std::string& name = child->name;
    hashes_.resize(nodes_.size() + 1);
    hashes_.back() = hash_of(name);
    const std::size_t bytes = name.size() + 1;
    nodes_.push_back(std::move(child));
    name_bytes_ += bytes;
}

void Children::remove(std::string_view name)
{
    const std::size_t index = index_of(name);
    assert(index != not_found);
    hashes_.erase(hashes_.begin() + static_cast<std::ptrdiff_t>(index));
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(index));
    name_bytes_ -= name.size() + 1;
}

std::size_t Node::bytes() const
{
    constexpr std::size_t header = 24; // as in Xen's xenstored, so that what fits there fits here
    constexpr std::size_t permission = 8;
    return header + value.size() + permission * permissions->size() + children.name_bytes();
}

const Node* find(const NodeRef& root, std::string_view path)
{
    const Node* node = root.get();
    for (std::string_view name = next_component(path); node && !name.empty(); name = next_component(path))
        node = node->children.find(name);
    return node;
}

void add_holdings(const Node& node, i64 sign, HoldingsByDomain& to)
{
    const Holdings own = holdings_of(node);
    to[owner_of(*node.permissions)] += sign < 0 ? -own : own;
    for (const NodeRef& child : node.children)
        add_holdings(*child, sign, to);
}

NodeRef make_root(u64 generation)
{
    NodeRef root(new Node);
    root.owned().permissions = std::make_shared<PermissionList>(PermissionList{{DomId(0), Access::none}});
    root.owned().generation = generation;
    return root;
}

Draft::Editable Draft::editable(std::string_view path)
{
    Editable it;
    NodeRef* at = &root_;
    for (;;) {
        if (!at->is_only()) {
            NodeRef copy(new Node(**at));
            if (it.copies) {
                *at = std::move(copy); // it is in a copy already
            } else {
                it.place = std::exchange(at, &it.copies);
                it.copies = std::move(copy);
            }
        }
        it.node = &at->owned();
        const std::string_view name = next_component(path);
        if (name.empty())
            return it;
        at = it.node->children.slot(name);
        assert(at);
    }
}

void Draft::hang(Editable& edited)
{
    if (edited.copies)
        *edited.place = std::move(edited.copies);
}

void Draft::apply(const Change& change, u64 generation)
{
    switch (change.kind) {
    case Change::Kind::create:
        return create(change, generation);
    case Change::Kind::set_value:
    case Change::Kind::set_permissions:
        return edit(change, generation);
    case Change::Kind::remove:
        return remove(change, generation);
    }
}

// In each of them, what can fail comes first.

void Draft::create(const Change& change, u64 generation)
{
    const NodeRef made(new Node);
    Node& node = made.owned();
    node.name = name_of(change.path);
    node.value = change.value;
    node.permissions = change.permissions;
    node.generation = generation;

    Editable edited = editable(parent_of(change.path));
    Node& parent = *edited.node;
    Holdings& cost_of_parent = costs_[owner_of(*parent.permissions)];
    Holdings& cost_of_node = costs_[owner_of(*node.permissions)];
    const Holdings before = holdings_of(parent);
    parent.children.add(made);

    parent.generation = generation;
    cost_of_parent += -before;
    cost_of_parent += holdings_of(parent);
    cost_of_node += holdings_of(node);
    hang(edited);
}

void Draft::edit(const Change& change, u64 generation)
{
    const bool is_value = change.kind == Change::Kind::set_value;
    std::string value = is_value ? change.value : std::string();
    Editable edited = editable(change.path);
    Node& node = *edited.node;
    Permissions permissions = is_value ? node.permissions : change.permissions;
    Holdings& cost_of_old = costs_[owner_of(*node.permissions)];
    Holdings& cost_of_new = costs_[owner_of(*permissions)];

    cost_of_old += -holdings_of(node);
    if (is_value)
        node.value = std::move(value);
    node.permissions = std::move(permissions);
    node.generation = generation;
    cost_of_new += holdings_of(node);
    hang(edited);
}

void Draft::remove(const Change& change, u64 generation)
{
    Editable edited = editable(parent_of(change.path));
    Node& parent = *edited.node;
    Holdings& cost_of_parent = costs_[owner_of(*parent.permissions)];
    HoldingsByDomain costs;
    add_holdings(*parent.children.find(name_of(change.path)), -1, costs);
    for (const auto& [owner, cost] : costs)
        costs_[owner];

    cost_of_parent += -holdings_of(parent);
    parent.children.remove(name_of(change.path));
    parent.generation = generation;
    cost_of_parent += holdings_of(parent);
    for (const auto& [owner, cost] : costs)
        costs_[owner] += cost;
    hang(edited);
}

}

// See tree.hpp.
#include "xenstore/store/tree.hpp"

#include "xenstore/store/path.hpp"

#include <cassert>
#include <functional>

namespace xylem::xenstore {

namespace {

u32 hash_of(std::string_view name)
{
    return static_cast<u32>(std::hash<std::string_view>{}(name));
}

Holdings holdings_of(const Node& node)
{
    return {1, static_cast<i64>(node.bytes() + node.name.size())};
}

Holdings negated(const Holdings& holdings)
{
    return {-holdings.nodes, -holdings.bytes};
}

/// A copy of `root` in which the node at `path` is what `make` returns for the old one; null removes or, where there
/// was none, adds nothing. Nodes above are copied; `edit_parent` sees the new parent when its list of children changes.
template <typename Make> NodeRef rebuilt(const NodeRef& node, std::string_view rest, const Make& make)
{
    std::string_view below = rest;
    const std::string_view name = next_component(below);
    if (name.empty())
        return make(*node);
    auto copy = std::make_shared<Node>(*node);
    const Node* child = node->children.find(name);
    assert(child);
    NodeRef child_ref(node, child); // shares the parent's life, which outlasts this call
    copy->children.replace(rebuilt(child_ref, below, make));
    return copy;
}

/// A copy of `root` in which `edit` was applied to a copy of the node at `path`.
template <typename Edit> NodeRef edited(const NodeRef& root, std::string_view path, const Edit& edit)
{
    return rebuilt(root, path, [&](const Node& node) {
        auto copy = std::make_shared<Node>(node);
        edit(*copy);
        return NodeRef(std::move(copy));
    });
}

}

std::size_t Children::index_of(std::string_view name) const
{
    const u32 hash = hash_of(name);
    for (std::size_t i = 0; i < hashes_.size(); ++i)
        if (hashes_[i] == hash && nodes_[i]->name == name)
            return i;
    return not_found;
}

const Node* Children::find(std::string_view name) const
{
    const std::size_t index = index_of(name);
    return index == not_found ? nullptr : nodes_[index].get();
}

void Children::add(NodeRef child)
{
    hashes_.push_back(hash_of(child->name));
    name_bytes_ += child->name.size() + 1;
    nodes_.push_back(std::move(child));
}

void Children::replace(NodeRef child)
{
    const std::size_t index = index_of(child->name);
    assert(index != not_found);
    nodes_[index] = std::move(child);
}

void Children::remove(std::string_view name)
{
    const std::size_t index = index_of(name);
    assert(index != not_found);
    name_bytes_ -= name.size() + 1;
    hashes_.erase(hashes_.begin() + static_cast<std::ptrdiff_t>(index));
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(index));
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
    to[owner_of(*node.permissions)] += sign < 0 ? negated(own) : own;
    for (const NodeRef& child : node.children)
        add_holdings(*child, sign, to);
}

NodeRef make_root(u64 generation)
{
    auto root = std::make_shared<Node>();
    root->permissions = std::make_shared<PermissionList>(PermissionList{{DomId(0), Access::none}});
    root->generation = generation;
    return root;
}

NodeRef Draft::apply(const Change& change, u64 generation)
{
    HoldingsByDomain costs;
    NodeRef before;
    NodeRef next;

    const auto edit_node = [&](auto&& edit) {
        next = rebuilt(root_, change.path, [&](const Node& node) {
            auto copy = std::make_shared<Node>(node);
            copy->generation = generation;
            edit(*copy);
            costs[owner_of(*node.permissions)] += negated(holdings_of(node));
            costs[owner_of(*copy->permissions)] += holdings_of(*copy);
            return NodeRef(std::move(copy));
        });
    };
    const auto edit_parent = [&](auto&& edit) {
        next = edited(root_, parent_of(change.path), [&](Node& parent) {
            costs[owner_of(*parent.permissions)] += negated(holdings_of(parent));
            parent.generation = generation;
            edit(parent);
            costs[owner_of(*parent.permissions)] += holdings_of(parent);
        });
    };

    if (change.kind != Change::Kind::create)
        before = NodeRef(root_, find(change.path)); // holds the whole old tree: callers drop it soon

    switch (change.kind) {
    case Change::Kind::create:
        edit_parent([&](Node& parent) {
            auto node = std::make_shared<Node>();
            node->name = name_of(change.path);
            node->value = change.value;
            node->permissions = change.permissions;
            node->generation = generation;
            costs[owner_of(*node->permissions)] += holdings_of(*node);
            parent.children.add(std::move(node));
        });
        break;
    case Change::Kind::set_value:
        edit_node([&](Node& node) { node.value = change.value; });
        break;
    case Change::Kind::set_permissions:
        edit_node([&](Node& node) { node.permissions = change.permissions; });
        break;
    case Change::Kind::remove:
        add_holdings(*before, -1, costs);
        edit_parent([&](Node& parent) { parent.children.remove(name_of(change.path)); });
        break;
    }

    for (const auto& [owner, cost] : costs)
        costs_[owner] += cost;
    root_ = std::move(next);
    return before;
}

}

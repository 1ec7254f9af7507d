// The store's contents: an immutable tree.
//
// A change copies the nodes on the path from the root to the changed one and shares all others with the tree before it.
// So a saved root is the store of that moment, for nothing; a failed change leaves nothing half done; and a node may be
// read while others change.
#pragma once

#include "xenstore/store/permissions.hpp"

#include <cstddef>
#include <map>

namespace xylem::xenstore {

struct Node;
using NodeRef = std::shared_ptr<const Node>;

/// A node's children in order of their creation, found by the hashes of their names, which lie side by side.
class Children {
public:
    const Node* find(std::string_view name) const;
    void add(NodeRef child);
    /// There is a child of that name.
    void replace(NodeRef child);
    void remove(std::string_view name);

    auto begin() const { return nodes_.begin(); }
    auto end() const { return nodes_.end(); }
    std::size_t size() const { return nodes_.size(); }
    bool empty() const { return nodes_.empty(); }
    /// Of all names, each with a zero byte: what a listing takes.
    std::size_t name_bytes() const { return name_bytes_; }

private:
    static constexpr std::size_t not_found = ~std::size_t{0};
    std::size_t index_of(std::string_view name) const;

    std::vector<u32> hashes_;
    std::vector<NodeRef> nodes_;
    std::size_t name_bytes_ = 0;
};

struct Node {
    std::string name;
    std::string value;
    Permissions permissions;
    u64 generation = 0; ///< of the last change to value, permissions or the list of children; never used twice
    Children children;

    /// What counts against the limit on a node's size.
    std::size_t bytes() const;
};

/// One step from a tree to the next.
struct Change {
    enum class Kind : u8 { create, set_value, set_permissions, remove };
    Kind kind;
    std::string path;
    std::string value;       ///< create, set_value
    Permissions permissions; ///< create, set_permissions
};

/// What a domain's nodes amount to, or by how much that changes.
struct Holdings {
    i64 nodes = 0;
    i64 bytes = 0;
    Holdings& operator+=(const Holdings& other)
    {
        nodes += other.nodes;
        bytes += other.bytes;
        return *this;
    }
    bool operator==(const Holdings&) const = default;
};
using HoldingsByDomain = std::map<DomId, Holdings>;

/// The node at `path`, null if there is none.
const Node* find(const NodeRef& root, std::string_view path);

/// A root on its way to become another, and what that costs each owner.
class Draft {
public:
    explicit Draft(NodeRef root) : root_(std::move(root)) {}

    const NodeRef& root() const { return root_; }
    const Node* find(std::string_view path) const { return xenstore::find(root_, path); }
    const HoldingsByDomain& costs() const { return costs_; }

    /// The change must fit: create wants the parent and no such node, the others want the node, remove not the root.
    /// @return the node as it was before; null for create
    NodeRef apply(const Change& change, u64 generation);

    /// See archive.hpp.
    template <typename Archive> void archive(Archive& with);

private:
    NodeRef root_;
    HoldingsByDomain costs_;
};

/// Counts all nodes at and below `node` for their owners, `sign` times.
void add_holdings(const Node& node, i64 sign, HoldingsByDomain& to);

/// A tree of one node, owned by dom0 and readable by nobody else.
NodeRef make_root(u64 generation);

}

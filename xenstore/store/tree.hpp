// The store's contents: an immutable tree.
//
// A change copies the nodes on the path from the root to the changed one and shares all others with the tree before it.
// So a saved root is the store of that moment, for nothing; and a failed change leaves nothing half done. What no other
// tree shares yet, a draft's own copies, is changed where it is.
#pragma once

#include "xenstore/store/path.hpp"
#include "xenstore/store/permissions.hpp"

#include <cstddef>
#include <map>
#include <utility>

namespace xylem::xenstore {

struct Node;

/// Keeps a node alive. The server has one thread: owners are counted by a plain number.
class NodeRef {
public:
    NodeRef() = default;
    NodeRef(std::nullptr_t) {}
    explicit NodeRef(const Node* node);
    NodeRef(const NodeRef& other) : NodeRef(other.node_) {}
    NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    NodeRef& operator=(NodeRef other) noexcept
    {
        std::swap(node_, other.node_);
        return *this;
    }
    ~NodeRef();

    const Node* get() const { return node_; }
    const Node& operator*() const { return *node_; }
    const Node* operator->() const { return node_; }
    explicit operator bool() const { return node_; }
    bool operator==(const NodeRef&) const = default;

    /// Nobody else holds the node. Where that is true of all nodes above it, too, no other tree has it.
    bool is_only() const;
    /// is_only(), or the node is known to nobody else yet.
    Node& owned() const { return const_cast<Node&>(*node_); }

private:
    const Node* node_ = nullptr;
};

/// A node's children in order of their creation. All are looked at to find one, by the hashes of their names, which lie
/// side by side: eight of them take a few instructions.
class Children {
public:
    const Node* find(std::string_view name) const;
    /// The reference to the child of that name; null if there is none.
    NodeRef* slot(std::string_view name);
    /// If memory runs out nothing has changed.
    void add(NodeRef child);
    /// There is a child of that name.
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

    std::vector<NodeRef> nodes_;
    std::vector<u32> hashes_; ///< of nodes_; one more where memory ran out
    std::size_t name_bytes_ = 0;
};

/// Of a node; a copy of it has none yet.
struct OwnerCount {
    OwnerCount() = default;
    OwnerCount(const OwnerCount&) {}
    OwnerCount& operator=(const OwnerCount&) = delete;
    mutable u32 owners = 0;
};

struct Node : OwnerCount {
    std::string name;
    u64 generation = 0; ///< of the last change to value, permissions or the list of children; never used twice
    std::string value;
    Permissions permissions;
    Children children;

    /// What counts against the limit on a node's size.
    std::size_t bytes() const;
};

inline NodeRef::NodeRef(const Node* node) : node_(node)
{
    if (node_)
        ++node_->owners;
}

inline NodeRef::~NodeRef()
{
    if (node_ && --node_->owners == 0)
        delete node_;
}

inline bool NodeRef::is_only() const
{
    return node_->owners == 1;
}

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
    Holdings operator-() const { return {-nodes, -bytes}; }
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
    /// If memory runs out nothing has changed.
    void apply(const Change& change, u64 generation);

    /// See archive.hpp.
    template <typename Archive> void archive(Archive& with);

private:
    /// A node that may be changed. It lies in the tree, or is the last of copies that hang nowhere yet.
    struct Editable {
        Node* node = nullptr;
        NodeRef copies;           ///< of what other trees share, the uppermost first; null if they share nothing
        NodeRef* place = nullptr; ///< where the copies belong
    };
    Editable editable(std::string_view path);
    static void hang(Editable& edited);

    void create(const Change& change, u64 generation);
    void edit(const Change& change, u64 generation);
    void remove(const Change& change, u64 generation);

    NodeRef root_;
    HoldingsByDomain costs_;
};

/// Counts all nodes at and below `node` for their owners, `sign` times.
void add_holdings(const Node& node, i64 sign, HoldingsByDomain& to);

/// A tree of one node, owned by dom0 and readable by nobody else.
NodeRef make_root(u64 generation);

}

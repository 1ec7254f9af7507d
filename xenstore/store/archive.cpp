// See archive.hpp. What may be shared is numbered when it is complete: the children of a node come before it.
#include "xenstore/store/archive.hpp"

namespace xylem::xenstore {

namespace {

constexpr u32 is_null = 0xFFFFFFFF;
constexpr u32 follows = 0xFFFFFFFE; ///< here it is, for the first time

}

void Saver::node(NodeRef& node)
{
    const auto known = numbers_.find(node.get());
    u32 number = !node ? is_null : known != numbers_.end() ? known->second : follows;
    archive(*this, number);
    if (number != follows)
        return;
    Node& it = node.owned(); // we only read
    archive(*this, it.name);
    archive(*this, it.value);
    archive(*this, it.permissions);
    archive(*this, it.generation);
    auto count = static_cast<u32>(it.children.size());
    archive(*this, count);
    for (NodeRef child : it.children)
        this->node(child);
    numbers_[node.get()] = nodes_++;
}

void Loader::node(NodeRef& node)
{
    u32 number = 0;
    archive(*this, number);
    if (number != follows) {
        node = number == is_null ? nullptr : nodes_.at(number);
        return;
    }
    const NodeRef made(new Node);
    archive(*this, made.owned().name);
    archive(*this, made.owned().value);
    archive(*this, made.owned().permissions);
    archive(*this, made.owned().generation);
    u32 count = 0;
    archive(*this, count);
    for (u32 i = 0; i < count; ++i) {
        NodeRef child;
        this->node(child);
        made.owned().children.add(std::move(child));
    }
    nodes_.push_back(made);
    node = made;
}

void Saver::permissions(Permissions& list)
{
    const auto known = numbers_.find(list.get());
    u32 number = !list ? is_null : known != numbers_.end() ? known->second : follows;
    archive(*this, number);
    if (number != follows)
        return;
    archive(*this, const_cast<PermissionList&>(*list)); // we only read
    numbers_[list.get()] = lists_++;
}

void Loader::permissions(Permissions& list)
{
    u32 number = 0;
    archive(*this, number);
    if (number != follows) {
        list = number == is_null ? nullptr : lists_.at(number);
        return;
    }
    auto made = std::make_shared<PermissionList>();
    archive(*this, *made);
    lists_.push_back(made);
    list = std::move(made);
}

}

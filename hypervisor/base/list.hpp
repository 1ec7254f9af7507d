// An intrusive doubly linked list: the link lies in the element, so that insertion needs no memory and cannot fail.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem {

struct ListLink {
    ListLink* next = nullptr;
    ListLink* previous = nullptr;

    bool linked() const { return next != nullptr; }
    void unlink()
    {
        previous->next = next;
        next->previous = previous;
        next = previous = nullptr;
    }
};

/// A list of T by its member `Link`. The list does not own its elements.
template <typename T, ListLink T::*Link> class List {
public:
    List() { head_.next = head_.previous = &head_; }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    bool empty() const { return head_.next == &head_; }
    void push_back(T& element) { insert(head_.previous, element); }
    void push_front(T& element) { insert(&head_, element); }
    T* front() const { return empty() ? nullptr : element_of(head_.next); }
    T* pop_front()
    {
        T* first = front();
        if (first)
            (first->*Link).unlink();
        return first;
    }
    T* next(T& element) const
    {
        ListLink* link = (element.*Link).next;
        return link == &head_ ? nullptr : element_of(link);
    }
    /// Inserts before `position`, or at the end if it is null.
    void insert_before(T* position, T& element)
    {
        insert(position ? (position->*Link).previous : head_.previous, element);
    }

private:
    static T* element_of(ListLink* link)
    {
        // The member's offset within T: T is standard layout enough for this in all our uses.
        const auto offset = reinterpret_cast<size_t>(&(static_cast<T*>(nullptr)->*Link));
        return reinterpret_cast<T*>(reinterpret_cast<char*>(link) - offset);
    }
    void insert(ListLink* after, T& element)
    {
        ListLink& link = element.*Link;
        link.previous = after;
        link.next = after->next;
        after->next->previous = &link;
        after->next = &link;
    }

    ListLink head_;
};

}

// The machine's free memory: frames for domains and for the hypervisor itself, and small objects carved from the
// latter.
//
// Runs of 2^order frames, by the binary buddy method, in zones by the width of the address: an allocation takes from
// the widest zone that it may use, so that low memory stays for those who need it (DMA, 32-bit devices). All memory is
// handed out zeroed, but for what a privileged domain asks for itself at boot.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/frame.hpp"

#include <new>
#include <utility>

namespace xylem::mm {

struct Owner;

inline constexpr unsigned max_order = 18; // 1 GiB
inline constexpr unsigned any_address = 64;

enum class Scrub : u8 { yes, no };
enum class Interruptible : u8 { no, yes };

/// Gives the RAM frames [first, last) to the heap. The frame table and the M2P must be backed for them.
void add_ram(Mfn first, Mfn last);

/// Frames for the hypervisor: zeroed, referred to by nobody, and mapped (machine::map).
/// @return NoMemory
Result<Mfn> allocate_frame();
Result<Mfn> allocate_frames(unsigned order, unsigned max_address_bits = any_address);
void free_frame(Mfn mfn);
void free_frames(Mfn first, unsigned order);

/// New frames of a domain: each with its allocated reference alone, and an invalid M2P entry.
/// @param max_address_bits  the run lies below 2^bits
/// @return NoMemory  the heap has no such run
///         NoSpace  the owner would hold more than its maximum
///         Invalid  it is dying
///         Preempted  (if interruptible) call again: what has been scrubbed need not be scrubbed anew
Result<Mfn> assign_new_frames(Owner& owner, unsigned order, unsigned max_address_bits = any_address,
                              Scrub scrub = Scrub::yes, Interruptible interruptible = Interruptible::no);

/// Promises `pages` of the free memory to `owner`, which allocates from them; 0 cancels. @return NoMemory, Invalid
Result<void> claim_pages(Owner& owner, u64 pages);

/// For a processor that has nothing to do: clears at most one free frame, so that who takes it next need not.
/// @return whether it may be worth calling again at once. No lock may be held
bool clear_ahead();

u64 free_frame_count();
u64 uncleared_frame_count(); ///< of the free ones: clear_ahead() has not come to them
u64 total_frames();          ///< that the heap was ever given
u64 claimed_frame_count();

/// Storage for objects of up to 2^max_order pages; aligned to its size rounded up to a power of two (at most a page).
/// Zeroed. @return null if there is no memory.
void* allocate_bytes(size_t bytes);
/// Nothing if it is null.
void free_bytes(void* storage);

/// An object of the hypervisor. @return null if there is no memory.
template <typename T, typename... Args> T* make(Args&&... args)
{
    static_assert(alignof(T) <= page_size);
    void* storage = allocate_bytes(sizeof(T) < alignof(T) ? alignof(T) : sizeof(T));
    return storage ? new (storage) T(std::forward<Args>(args)...) : nullptr;
}

template <typename T> void destroy(T* object)
{
    if (!object)
        return;
    object->~T();
    free_bytes(object);
}

/// An array of objects that need no constructor but zeroes. free_bytes() takes it back.
template <typename T> T* make_array(size_t count)
{
    static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, sizeof(T), &bytes))
        return nullptr;
    return static_cast<T*>(allocate_bytes(bytes));
}

}

// Reading memory that a peer can write at any time.
//
// A value that is checked and then read again from shared memory may have changed in between (XSA-155). So everything
// that a backend takes from a frontend, or a frontend from a backend, goes through here: each word is read exactly
// once, into our own copy, and only the copy counts.
#pragma once

#include "hypervisor/base/types.hpp"

#include <type_traits>

namespace xylem {

/// Copies `words * 4` bytes; the compiler may neither repeat a read nor go back to the source.
inline void copy_words_once(u32* destination, const volatile u32* source, size_t words)
{
    for (size_t i = 0; i < words; ++i)
        destination[i] = source[i];
}

/// Our own copy of a struct in shared memory.
template <typename T> T copy_once(const void* shared)
{
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(u32) == 0);
    u32 words[sizeof(T) / sizeof(u32)];
    copy_words_once(words, static_cast<const volatile u32*>(shared), sizeof(T) / sizeof(u32));
    T copy;
    __builtin_memcpy(&copy, words, sizeof copy);
    return copy;
}

/// A 32-bit word in shared memory: an index that both sides look at.
class SharedWord {
public:
    explicit SharedWord(void* address) : word_(static_cast<u32*>(address)) {}

    u32 load() const { return __atomic_load_n(word_, __ATOMIC_ACQUIRE); }
    void store(u32 value) { __atomic_store_n(word_, value, __ATOMIC_RELEASE); }

private:
    u32* word_;
};

/// Orders our stores before our loads as the peer sees them: between publishing an index and looking at the other's
/// event.
inline void full_barrier()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

}

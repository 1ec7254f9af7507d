// What -fsanitize=thread makes of each access to memory is a call; here the explorer is called, not ThreadSanitizer. So
// every atomic operation of the core is a step, whatever builtin it comes from (one that is missing below does not
// link), and the explorer sees each plain access, too.
#include "hypervisor/base/types.hpp"
#include "tests/interleavings/explorer.hpp"

namespace {

using xylem::u16;
using xylem::u32;
using xylem::u64;
using xylem::u8;
using xylem::test::note_access;
using xylem::test::note_step;

void note_range(const void* at, u64 bytes, bool writes)
{
    for (u64 offset = 0; offset < bytes; offset += sizeof(u64))
        note_access(static_cast<const char*>(at) + offset, writes);
}

}

extern "C" {

#define PLAIN(bytes)                                                                                                   \
    void __tsan_read##bytes(void* at)                                                                                  \
    {                                                                                                                  \
        note_range(at, bytes, false);                                                                                  \
    }                                                                                                                  \
    void __tsan_write##bytes(void* at)                                                                                 \
    {                                                                                                                  \
        note_range(at, bytes, true);                                                                                   \
    }                                                                                                                  \
    void __tsan_unaligned_read##bytes(void* at)                                                                        \
    {                                                                                                                  \
        note_range(at, bytes + sizeof(u64), false);                                                                    \
    }                                                                                                                  \
    void __tsan_unaligned_write##bytes(void* at)                                                                       \
    {                                                                                                                  \
        note_range(at, bytes + sizeof(u64), true);                                                                     \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void* at, u64 bytes)
{
    note_range(at, bytes, false);
}
void __tsan_write_range(void* at, u64 bytes)
{
    note_range(at, bytes, true);
}

// All are sequentially consistent: the processors take turns.
#define FETCH(type, bits, operation)                                                                                   \
    type __tsan_atomic##bits##_fetch_##operation(volatile type* word, type value, int)                                 \
    {                                                                                                                  \
        note_step(word, true);                                                                                         \
        return __atomic_fetch_##operation(word, value, __ATOMIC_SEQ_CST);                                              \
    }
#define COMPARE_EXCHANGE(type, bits, strength)                                                                         \
    int __tsan_atomic##bits##_compare_exchange_##strength(volatile type* word, type* expected, type value, int, int)   \
    {                                                                                                                  \
        note_step(word, true);                                                                                         \
        return __atomic_compare_exchange_n(word, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
    }
#define ATOMIC(type, bits)                                                                                             \
    type __tsan_atomic##bits##_load(const volatile type* word, int)                                                    \
    {                                                                                                                  \
        note_step(word, false);                                                                                        \
        return __atomic_load_n(word, __ATOMIC_SEQ_CST);                                                                \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile type* word, type value, int)                                             \
    {                                                                                                                  \
        note_step(word, true);                                                                                         \
        __atomic_store_n(word, value, __ATOMIC_SEQ_CST);                                                               \
    }                                                                                                                  \
    type __tsan_atomic##bits##_exchange(volatile type* word, type value, int)                                          \
    {                                                                                                                  \
        note_step(word, true);                                                                                         \
        return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);                                                     \
    }                                                                                                                  \
    FETCH(type, bits, add)                                                                                             \
    FETCH(type, bits, sub)                                                                                             \
    FETCH(type, bits, and)                                                                                             \
    FETCH(type, bits, or)                                                                                              \
    COMPARE_EXCHANGE(type, bits, strong)                                                                               \
    COMPARE_EXCHANGE(type, bits, weak)
ATOMIC(u8, 8)
ATOMIC(u16, 16)
ATOMIC(u32, 32)
ATOMIC(u64, 64)

void __tsan_atomic_thread_fence(int) {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}
}

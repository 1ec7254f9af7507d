// Bit sets over words that other processors, or guests, write too.
#pragma once

#include "hypervisor/base/types.hpp"

#include <bit>
#include <type_traits>

namespace xylem {

template <typename T> constexpr bool has(T word, T bits)
{
    return (word & bits) == bits;
}
template <typename T> constexpr bool has_any(T word, T bits)
{
    return (word & bits) != 0;
}

/// Atomic operations on guest-shared words. All are sequentially consistent: the order of pending, selector, upcall
/// bits is what the event protocol rests on.
template <typename T> T atomic_load(const volatile T* word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
template <typename T> void atomic_store(volatile T* word, T value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
template <typename T> T atomic_or(volatile T* word, T bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}
template <typename T> T atomic_and(volatile T* word, T bits)
{
    return __atomic_fetch_and(word, bits, __ATOMIC_SEQ_CST);
}
template <typename T> T atomic_add(volatile T* word, T n)
{
    return __atomic_fetch_add(word, n, __ATOMIC_SEQ_CST);
}
template <typename T> T atomic_exchange(volatile T* word, T value)
{
    return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}
/// @return whether `*word` was `expected` and is now `desired`; else `expected` is what was seen.
template <typename T> bool atomic_compare_exchange(volatile T* word, T& expected, T desired)
{
    return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/// For words that some read without the lock that their writers hold: what was written before is seen with them.
template <typename T> T load_acquire(const T* word)
{
    T value;
    __atomic_load(word, &value, __ATOMIC_ACQUIRE);
    return value;
}
template <typename T> void store_release(T* word, std::type_identity_t<T> value)
{
    __atomic_store(word, &value, __ATOMIC_RELEASE);
}

/// @return whether bit `n` of the bit array was set before.
inline bool atomic_test_and_set(volatile u64* words, u64 n)
{
    return atomic_or(&words[n / 64], u64{1} << (n % 64)) >> (n % 64) & 1;
}
inline bool atomic_test_and_clear(volatile u64* words, u64 n)
{
    return atomic_and(&words[n / 64], ~(u64{1} << (n % 64))) >> (n % 64) & 1;
}
inline bool test_bit(const volatile u64* words, u64 n)
{
    return atomic_load(&words[n / 64]) >> (n % 64) & 1;
}

inline constexpr unsigned max_cpus = 64;

/// A set of processors.
struct CpuMask {
    u64 bits = 0;

    static constexpr CpuMask of(CpuId cpu) { return {u64{1} << cpu.value}; }
    constexpr bool contains(CpuId cpu) const { return bits >> cpu.value & 1; }
    constexpr bool empty() const { return bits == 0; }
    constexpr CpuMask operator|(CpuMask other) const { return {bits | other.bits}; }
    constexpr CpuMask operator&(CpuMask other) const { return {bits & other.bits}; }
    constexpr CpuMask without(CpuId cpu) const { return {bits & ~(u64{1} << cpu.value)}; }
    constexpr unsigned count() const { return static_cast<unsigned>(std::popcount(bits)); }
};

}

// The way from a dom0 process to the hypervisor: /dev/xen/privcmd issues hypercalls, /dev/xen/hypercall gives memory
// that stays resident while the hypervisor reads and writes it.
#pragma once

#include "dom0/lib/fd.hpp"
#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <system_error>
#include <type_traits>
#include <vector>

namespace xylem::dom0 {

/// The hypervisor refused a call. what() names the call; code().value() is the errno.
class HypercallError : public std::system_error {
public:
    HypercallError(int error, const std::string& call) : std::system_error(error, std::generic_category(), call) {}
    bool is(std::errc condition) const { return code() == condition; }
};

/// Pages for hypercall arguments. Blocks given back are kept for the next taker, since a mapping costs more than most
/// calls.
class HypercallMemory {
public:
    class Block {
    public:
        Block(Block&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), memory_(other.memory_) {}
        Block& operator=(Block&&) = delete;
        Block(const Block&) = delete;
        Block& operator=(const Block&) = delete;
        ~Block();
        std::byte* data() const { return memory_.data(); }
        u64 address() const { return reinterpret_cast<u64>(memory_.data()); }

    private:
        friend class HypercallMemory;
        Block(HypercallMemory* pool, std::span<std::byte> memory) : pool_(pool), memory_(memory) {}
        HypercallMemory* pool_;
        std::span<std::byte> memory_;
    };

    HypercallMemory();
    ~HypercallMemory();
    HypercallMemory(const HypercallMemory&) = delete;
    HypercallMemory& operator=(const HypercallMemory&) = delete;

    int fd() const { return fd_.get(); }
    /// At least `bytes` of zeroed memory, page aligned.
    Block take(std::size_t bytes);

private:
    Fd fd_;
    std::vector<std::span<std::byte>> free_;
};

class Privcmd {
public:
    /// @throws std::system_error  this is no control domain, or the device is not ours to open
    Privcmd();

    int fd() const { return fd_.get(); }
    HypercallMemory& memory() { return memory_; }

    /// @return the hypercall's result, an errno if negative. Linux truncates it to an int: for long results use
    /// call_long.
    int call(u64 number, u64 a0 = 0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0);
    /// The same through a multicall of one entry, whose result is 64 bits wide.
    i64 call_long(u64 number, u64 a0 = 0, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0, u64 a4 = 0);

    /// From now on this object serves foreign mappings of `domain` only, and no hypercalls.
    void restrict_to(DomId domain);

private:
    Fd fd_;
    HypercallMemory memory_;
};

/// How many of them: so that a count is never taken for a value.
struct Elements {
    std::size_t count;
};

/// Structs in hypercall memory: copied in at construction, to be read back after the call.
template <typename T> class Bounce {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    Bounce(Privcmd& privcmd, const T& value) : Bounce(privcmd, std::span<const T>(&value, 1)) {}
    Bounce(Privcmd& privcmd, std::span<const T> values) : Bounce(privcmd, Elements{values.size()})
    {
        if (!values.empty())
            std::memcpy(block_.data(), values.data(), values.size_bytes());
    }
    Bounce(Privcmd& privcmd, Elements elements)
        : block_(privcmd.memory().take(elements.count * sizeof(T))), count_(elements.count)
    {
    }

    u64 address() const { return block_.address(); }
    std::span<T> values() const { return {reinterpret_cast<T*>(block_.data()), count_}; }
    T& operator*() const { return values()[0]; }
    T* operator->() const { return &values()[0]; }

private:
    HypercallMemory::Block block_;
    std::size_t count_;
};

}

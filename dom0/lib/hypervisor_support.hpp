// What the files of hypervisor.hpp share.
#pragma once

#include "dom0/lib/hypervisor.hpp"
#include "hypervisor/abi/hypercall.hpp"

namespace xylem::dom0 {

constexpr u64 number_of(abi::HypercallNumber number)
{
    return static_cast<u64>(number);
}

/// `result`, unless it is an errno.
/// @throws HypercallError
inline int checked(int result, const char* name)
{
    if (result < 0)
        throw HypercallError(-result, name);
    return result;
}

/// A processor bitmap in hypercall memory.
class BounceMap {
public:
    BounceMap(Privcmd& privcmd, std::size_t bits) : bytes_(privcmd, Elements{(bits + 63) / 64 * 8}), bits_(bits) {}
    BounceMap(Privcmd& privcmd, const CpuMap& map) : BounceMap(privcmd, map.size())
    {
        for (std::size_t i = 0; i < map.size(); ++i)
            if (map[i])
                bytes_.values()[i / 8] |= static_cast<u8>(1U << (i % 8));
    }
    abi::Bitmap argument() const { return {{bytes_.address()}, static_cast<u32>(bits_)}; }
    CpuMap value() const
    {
        CpuMap map(bits_);
        for (std::size_t i = 0; i < bits_; ++i)
            map[i] = bytes_.values()[i / 8] >> (i % 8) & 1;
        return map;
    }

private:
    Bounce<u8> bytes_;
    std::size_t bits_;
};

}

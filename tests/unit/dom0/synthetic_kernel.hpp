// Small kernels made in memory: an ELF64 file with segments and Xen notes, and a bzImage around a payload.
#pragma once

#include "hypervisor/abi/elfnote.hpp"
#include "hypervisor/base/types.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace xylem::dom0::builder::test {

using ByteVector = std::vector<std::byte>;

struct SyntheticSegment {
    u64 address;
    std::string content;
    u64 size;
};

class SyntheticKernel {
public:
    SyntheticKernel& number(abi::ElfNote type, u64 value);
    SyntheticKernel& text(abi::ElfNote type, const std::string& value);
    SyntheticKernel& segment(u64 address, const std::string& content, u64 size);
    ByteVector file() const;

private:
    void note(const std::string& owner, u32 type, const ByteVector& descriptor);

    ByteVector notes_;
    std::vector<SyntheticSegment> segments_;
};

/// Like Debian's: linked high, notes for INIT_P2M and MOD_START_PFN, an image of 3 MiB from 1 MiB on.
SyntheticKernel linux_like();
/// Like Mini-OS: linked at 0, with a hypercall page, everything in one region.
SyntheticKernel minios_like();

/// A bzImage with `payload`, behind which its unpacked size is written.
ByteVector bzimage(const ByteVector& payload, u32 unpacked_size);

template <typename T> ByteVector bytes_of(const T& value)
{
    const auto bytes = std::as_bytes(std::span(&value, 1));
    return {bytes.begin(), bytes.end()};
}

}

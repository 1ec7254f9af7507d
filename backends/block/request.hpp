// What a blkif request asks for, once it has been looked at: decoded from our copy, checked against the disk.
//
// Everything in a request is the guest's word: the operation, the number of segments, where they lie, their order. A
// request that does not hold gets an error response; it never reaches the disk.
#pragma once

#include "backends/block/disk.hpp"
#include "hypervisor/abi/io/blkif.hpp"

#include <span>
#include <vector>

namespace xylem::backends::block {

/// The most segments of an indirect request; advertised as feature-max-indirect-segments.
inline constexpr u32 max_indirect_segments = 128;

struct Segment {
    GrantRef ref;
    u16 offset; ///< bytes into the page
    u16 bytes;
};

struct Command {
    enum class Kind { read, write, flush, barrier, discard };

    Kind kind = Kind::read;
    abi::io::BlkifOp reply_operation = abi::io::BlkifOp::read;
    u64 id = 0;
    u64 offset = 0; ///< bytes into the disk
    u64 bytes = 0;
    std::vector<Segment> segments;

    bool moves_data() const { return kind == Kind::read || kind == Kind::write || kind == Kind::barrier; }
};

/// Fetches the descriptors of an indirect request, `count` of them, into our memory.
/// @return false  a page of them is not granted to us
class DescriptorSource {
public:
    virtual ~DescriptorSource() = default;
    virtual bool fetch(std::span<const GrantRef> pages, std::span<abi::io::BlkifRequestSegment> out) = 0;
};

enum class Verdict { good, bad, unsupported };

/// Decodes `raw` into `command`; id and reply_operation are set whatever the verdict.
Verdict decode(const abi::io::BlkifRequest& raw, const Geometry& disk, DescriptorSource& indirect, Command& command);

}

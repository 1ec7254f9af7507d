// The container: stream header, blocks, index, footer. Every header has a CRC32, and the index repeats the blocks'
// sizes, so that damage is noticed before the unpacked data is used. (The .xz file format 1.2.0)

#include "hypervisor/boot/xz.hpp"

#include "hypervisor/boot/bcj_x86.hpp"

namespace xylem::boot {
namespace {

constexpr u8 header_magic[6] = {0xfd, '7', 'z', 'X', 'Z', 0};
constexpr u8 footer_magic[2] = {'Y', 'Z'};
constexpr size_t stream_header_bytes = 12, stream_footer_bytes = 12;
constexpr u64 filter_x86 = 4, filter_lzma2 = 0x21;

enum class Check : u8 { None = 0, Crc32 = 1, Crc64 = 4 };

u64 little_endian(const u8* from, unsigned bytes)
{
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i)
        value |= u64{from[i]} << (8 * i);
    return value;
}

/// Reads integers from a header that lies in memory as a whole; running off its end is remembered.
class HeaderReader {
public:
    explicit HeaderReader(std::span<const u8> bytes) : bytes_(bytes) {}

    u8 byte() { return at_ < bytes_.size() ? bytes_[at_++] : fail(); }
    /// 7 bits a byte, lowest first; at most 63 bits, and in the shortest form.
    u64 variable()
    {
        u64 value = 0;
        for (unsigned shift = 0; shift < 63; shift += 7) {
            u8 next = byte();
            value |= u64{next & 0x7fu} << shift;
            if ((next & 0x80) == 0) {
                if (next == 0 && shift != 0)
                    failed_ = true;
                return value;
            }
        }
        return fail();
    }
    bool rest_is_zero() const
    {
        for (size_t i = at_; i < bytes_.size(); ++i)
            if (bytes_[i] != 0)
                return false;
        return true;
    }
    size_t position() const { return at_; }
    bool failed() const { return failed_; }

private:
    u8 fail()
    {
        failed_ = true;
        return 0;
    }

    std::span<const u8> bytes_;
    size_t at_ = 0;
    bool failed_ = false;
};

struct BlockHeader {
    size_t bytes = 0;
    bool has_packed_size = false, has_unpacked_size = false;
    u64 packed_size = 0, unpacked_size = 0;
    bool x86_filter = false;
    u32 x86_start = 0;
};

/// Takes the sizes of blocks in order, and later those that the index lists: equal sums mean equal lists.
class SizeLog {
public:
    void add(u64 unpadded, u64 unpacked)
    {
        // FNV-1a over the two numbers. It guards against damage, as the CRCs do, and not against forgery.
        for (u64 number : {unpadded, unpacked})
            for (unsigned i = 0; i < 8; ++i)
                hash_ = (hash_ ^ (number >> (8 * i) & 0xff)) * 0x100000001b3;
        ++count_;
    }
    u64 count() const { return count_; }
    bool operator==(const SizeLog&) const = default;

private:
    u64 hash_ = 0xcbf29ce484222325, count_ = 0;
};

class StreamReader {
public:
    StreamReader(std::span<const u8> in, std::span<u8> out, XzWorkspace& work) : in_(in), out_(out), work_(work) {}

    UnpackError run()
    {
        if (UnpackError error = stream_header(); error != UnpackError::None)
            return error;
        while (at_ < in_.size() && in_[at_] != 0)
            if (UnpackError error = block(); error != UnpackError::None)
                return error;
        if (at_ == in_.size())
            return UnpackError::Truncated;
        if (UnpackError error = index(); error != UnpackError::None)
            return error;
        return stream_footer();
    }
    size_t input_used() const { return at_; }
    size_t output_size() const { return position_; }

private:
    bool available(size_t bytes) const { return in_.size() - at_ >= bytes; }
    u32 crc32_of(size_t from, size_t bytes) const { return work_.crc32.of(in_.subspan(from, bytes)); }
    u32 stored_crc32(size_t at) const { return static_cast<u32>(little_endian(&in_[at], 4)); }
    unsigned check_bytes() const { return check_ == Check::None ? 0 : check_ == Check::Crc32 ? 4 : 8; }

    UnpackError stream_header();
    UnpackError block();
    UnpackError block_header(BlockHeader& header);
    UnpackError filters(HeaderReader& reader, unsigned count, BlockHeader& header);
    bool check_is_right(std::span<const u8> unpacked, const u8* stored) const;
    UnpackError index();
    UnpackError stream_footer();

    std::span<const u8> in_;
    std::span<u8> out_;
    XzWorkspace& work_;
    size_t at_ = 0, position_ = 0;
    Check check_ = Check::None;
    SizeLog blocks_;
    size_t index_bytes_ = 0;
};

UnpackError StreamReader::stream_header()
{
    if (!is_xz(in_))
        return UnpackError::NotThisFormat;
    if (!available(stream_header_bytes))
        return UnpackError::Truncated;
    if (stored_crc32(8) != crc32_of(6, 2) || in_[6] != 0 || in_[7] > 15)
        return UnpackError::Corrupt;
    check_ = static_cast<Check>(in_[7]);
    if (check_ != Check::None && check_ != Check::Crc32 && check_ != Check::Crc64)
        return UnpackError::UnsupportedCheck;
    if (check_ == Check::Crc64)
        work_.crc64.prepare();
    at_ = stream_header_bytes;
    return UnpackError::None;
}

UnpackError StreamReader::block_header(BlockHeader& header)
{
    header.bytes = (size_t{in_[at_]} + 1) * 4;
    if (!available(header.bytes))
        return UnpackError::Truncated;
    if (stored_crc32(at_ + header.bytes - 4) != crc32_of(at_, header.bytes - 4))
        return UnpackError::Corrupt;
    HeaderReader reader(in_.subspan(at_ + 1, header.bytes - 5));
    u8 flags = reader.byte();
    if (flags & 0x3c)
        return UnpackError::Corrupt;
    header.has_packed_size = flags & 0x40;
    header.has_unpacked_size = flags & 0x80;
    if (header.has_packed_size)
        header.packed_size = reader.variable();
    if (header.has_unpacked_size)
        header.unpacked_size = reader.variable();
    if (UnpackError error = filters(reader, (flags & 3) + 1, header); error != UnpackError::None)
        return error;
    return reader.failed() || !reader.rest_is_zero() ? UnpackError::Corrupt : UnpackError::None;
}

/// LZMA2 is the last filter, and x86 may stand before it.
UnpackError StreamReader::filters(HeaderReader& reader, unsigned count, BlockHeader& header)
{
    for (unsigned i = 0; i < count; ++i) {
        u64 id = reader.variable();
        u64 property_bytes = reader.variable();
        if (reader.failed())
            return UnpackError::Corrupt;
        bool last = i + 1 == count;
        if (id == filter_lzma2 && last) {
            constexpr u8 largest_dictionary = 40; // of no interest: the dictionary is the output
            if (property_bytes != 1 || reader.byte() > largest_dictionary)
                return UnpackError::Corrupt;
        } else if (id == filter_x86 && !last && !header.x86_filter) {
            if (property_bytes != 0 && property_bytes != 4)
                return UnpackError::Corrupt;
            header.x86_filter = true;
            for (unsigned byte = 0; byte < property_bytes; ++byte)
                header.x86_start |= u32{reader.byte()} << (8 * byte);
        } else {
            return UnpackError::UnsupportedFilter;
        }
    }
    return UnpackError::None;
}

bool StreamReader::check_is_right(std::span<const u8> unpacked, const u8* stored) const
{
    switch (check_) {
    case Check::None:
        return true;
    case Check::Crc32:
        return little_endian(stored, 4) == work_.crc32.of(unpacked);
    case Check::Crc64:
        return little_endian(stored, 8) == work_.crc64.of(unpacked);
    }
    return false;
}

UnpackError StreamReader::block()
{
    const size_t start = at_;
    BlockHeader header;
    if (UnpackError error = block_header(header); error != UnpackError::None)
        return error;
    at_ += header.bytes;

    UnpackResult data = unpack_lzma2(in_.subspan(at_), out_.subspan(position_), work_.model);
    if (!data.ok())
        return data.error;
    if ((header.has_packed_size && header.packed_size != data.input_used) ||
        (header.has_unpacked_size && header.unpacked_size != data.output_size))
        return UnpackError::Corrupt;
    std::span<u8> unpacked = out_.subspan(position_, data.output_size);
    if (header.x86_filter)
        undo_x86_branch_filter(unpacked, header.x86_start);
    at_ += data.input_used;
    const size_t unpadded = at_ - start + check_bytes();

    const size_t padding = (0 - data.input_used) & 3;
    if (!available(padding + check_bytes()))
        return UnpackError::Truncated;
    for (size_t i = 0; i < padding; ++i)
        if (in_[at_++] != 0)
            return UnpackError::Corrupt;
    if (!check_is_right(unpacked, in_.data() + at_))
        return UnpackError::Corrupt;
    at_ += check_bytes();
    position_ += data.output_size;
    blocks_.add(unpadded, data.output_size);
    return UnpackError::None;
}

UnpackError StreamReader::index()
{
    HeaderReader reader(in_.subspan(at_));
    reader.byte(); // the indicator, 0
    if (reader.variable() != blocks_.count())
        return reader.position() == in_.size() - at_ ? UnpackError::Truncated : UnpackError::Corrupt;
    SizeLog listed;
    while (listed.count() < blocks_.count() && !reader.failed()) {
        u64 unpadded = reader.variable();
        listed.add(unpadded, reader.variable());
    }
    while ((reader.position() & 3) && !reader.failed())
        if (reader.byte() != 0)
            return UnpackError::Corrupt;
    const size_t bytes = reader.position();
    if (!available(bytes + 4))
        return UnpackError::Truncated;
    if (reader.failed() || listed != blocks_ || stored_crc32(at_ + bytes) != crc32_of(at_, bytes))
        return UnpackError::Corrupt;
    index_bytes_ = bytes + 4;
    at_ += index_bytes_;
    return UnpackError::None;
}

UnpackError StreamReader::stream_footer()
{
    if (!available(stream_footer_bytes))
        return UnpackError::Truncated;
    const u8* footer = &in_[at_];
    bool right = stored_crc32(at_) == crc32_of(at_ + 4, 6) && (little_endian(footer + 4, 4) + 1) * 4 == index_bytes_ &&
                 footer[8] == 0 && footer[9] == static_cast<u8>(check_) && footer[10] == footer_magic[0] &&
                 footer[11] == footer_magic[1];
    at_ += stream_footer_bytes;
    return right ? UnpackError::None : UnpackError::Corrupt;
}

}

bool is_xz(std::span<const u8> in)
{
    return in.size() >= sizeof(header_magic) && __builtin_memcmp(in.data(), header_magic, sizeof(header_magic)) == 0;
}

UnpackResult unpack_xz(std::span<const u8> in, std::span<u8> out, XzWorkspace& workspace)
{
    workspace.crc32.prepare();
    StreamReader reader(in, out, workspace);
    UnpackError error = reader.run();
    return {error, reader.input_used(), reader.output_size()};
}

}

// Blocks of literals and matches behind prefix codes; bits come lowest first.

#include "hypervisor/boot/inflate.hpp"

namespace xylem::boot {
namespace {

constexpr unsigned end_of_block = 256, literal_symbols = 288, distance_symbols = 30, length_symbols = 29;
constexpr u16 length_base[length_symbols] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                             31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr u8 length_extra[length_symbols] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                             2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr u16 distance_base[distance_symbols] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                                 33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                                 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr u8 distance_extra[distance_symbols] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                                 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
// The order in which a block gives the lengths of the code that packs its code lengths.
constexpr unsigned meta_symbols = 19;
constexpr u8 meta_order[meta_symbols] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

/// Bits behind the input's end read as zeros, and are counted: whoever used some finds out by overrun().
class BitReader {
public:
    explicit BitReader(std::span<const u8> in) : in_(in) {}

    void need(unsigned bits)
    {
        while (held_ < bits) {
            if (at_ < in_.size())
                word_ |= u64{in_[at_]} << held_;
            ++at_;
            held_ += 8;
        }
    }
    u64 peek() const { return word_; }
    void drop(unsigned bits)
    {
        word_ >>= bits;
        held_ -= bits;
    }
    unsigned take(unsigned bits)
    {
        need(bits);
        unsigned value = static_cast<unsigned>(word_ & ((u64{1} << bits) - 1));
        drop(bits);
        return value;
    }
    void align_to_byte() { drop(held_ & 7); }
    /// Where the first byte lies of which no bit has been used.
    size_t position() const { return at_ - held_ / 8; }
    bool overrun() const { return position() > in_.size(); }
    /// Forgets the bits held (the reader stands at a byte) and goes on at `position`.
    void seek(size_t position)
    {
        at_ = position;
        word_ = 0;
        held_ = 0;
    }

private:
    std::span<const u8> in_;
    size_t at_ = 0;
    u64 word_ = 0;
    unsigned held_ = 0;
};

unsigned reversed(unsigned code, unsigned bits)
{
    unsigned result = 0;
    for (unsigned i = 0; i < bits; ++i)
        result |= (code >> i & 1) << (bits - 1 - i);
    return result;
}

enum class Completeness : u8 { Required, OneCodeWillDo };

/// Makes the tables from the code lengths. @return false if the lengths make no prefix code
bool build(PrefixCode& code, std::span<const u8> lengths, Completeness completeness)
{
    for (u16& count : code.count)
        count = 0;
    for (u16& entry : code.direct)
        entry = 0;
    for (u8 length : lengths)
        ++code.count[length];
    const unsigned used = static_cast<unsigned>(lengths.size()) - code.count[0];
    code.count[0] = 0;
    u16 first[PrefixCode::longest + 2] = {}, next[PrefixCode::longest + 2] = {}; // per length: index in `sorted`, code
    int left = 1;                                                                // codes of this length yet to be given
    for (unsigned length = 1; length <= PrefixCode::longest; ++length) {
        left = 2 * left - code.count[length];
        if (left < 0)
            return false;
        first[length + 1] = static_cast<u16>(first[length] + code.count[length]);
        next[length + 1] = static_cast<u16>((next[length] + code.count[length]) << 1);
    }
    if (left != 0 && (completeness == Completeness::Required || used > 1 || (used == 1 && code.count[1] != 1)))
        return false;
    for (unsigned symbol = 0; symbol < lengths.size(); ++symbol) {
        const unsigned length = lengths[symbol];
        if (length == 0)
            continue;
        code.sorted[first[length]++] = static_cast<u16>(symbol);
        unsigned bits = next[length]++;
        if (length > PrefixCode::direct_bits)
            continue;
        const unsigned step = 1u << length;
        for (unsigned i = reversed(bits, length); i < 1u << PrefixCode::direct_bits; i += step)
            code.direct[i] = static_cast<u16>(symbol << 4 | length);
    }
    return true;
}

constexpr unsigned no_symbol = ~0u;

/// @return no_symbol for a code that was not given out
unsigned decode_symbol(const PrefixCode& code, BitReader& bits)
{
    bits.need(PrefixCode::longest);
    u64 word = bits.peek();
    if (unsigned entry = code.direct[word & ((1u << PrefixCode::direct_bits) - 1)]; entry != 0) [[likely]] {
        bits.drop(entry & 15);
        return entry >> 4;
    }
    unsigned value = 0, first = 0, index = 0; // code so far; first code and its index in `sorted`, of this length
    for (unsigned length = 1; length <= PrefixCode::longest; ++length) {
        value |= static_cast<unsigned>(word & 1);
        word >>= 1;
        unsigned count = code.count[length];
        if (value < first + count) {
            bits.drop(length);
            return code.sorted[index + (value - first)];
        }
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    return no_symbol;
}

class Inflater {
public:
    Inflater(std::span<const u8> in, std::span<u8> out, InflateWorkspace& work)
        : in_(in), bits_(in), out_(out), work_(work)
    {
    }

    UnpackError run()
    {
        for (bool last = false; !last;) {
            last = bits_.take(1);
            UnpackError error = block(bits_.take(2));
            // What was read behind the end has no meaning: neither has an error found in it.
            if (bits_.overrun())
                return UnpackError::Truncated;
            if (error != UnpackError::None)
                return error;
        }
        bits_.align_to_byte();
        return UnpackError::None;
    }
    size_t input_used() const { return bits_.position(); }
    size_t output_size() const { return position_; }

private:
    UnpackError block(unsigned type)
    {
        enum : unsigned { stored, fixed_codes, own_codes };
        switch (type) {
        case stored:
            return stored_block();
        case fixed_codes:
            fixed();
            return packed_block();
        case own_codes:
            if (!read_codes())
                return UnpackError::Corrupt;
            return packed_block();
        default:
            return UnpackError::Corrupt;
        }
    }

    UnpackError stored_block();
    UnpackError packed_block();
    void fixed();
    bool read_codes();

    std::span<const u8> in_;
    BitReader bits_;
    std::span<u8> out_;
    InflateWorkspace& work_;
    size_t position_ = 0;
};

UnpackError Inflater::stored_block()
{
    bits_.align_to_byte();
    size_t size = bits_.take(16);
    if (bits_.take(16) != (size ^ 0xffff))
        return UnpackError::Corrupt;
    size_t from = bits_.position();
    if (from > in_.size() || size > in_.size() - from)
        return UnpackError::Truncated;
    if (size > out_.size() - position_)
        return UnpackError::OutputTooSmall;
    if (size != 0)
        __builtin_memcpy(out_.data() + position_, in_.data() + from, size);
    position_ += size;
    bits_.seek(from + size);
    return UnpackError::None;
}

void Inflater::fixed()
{
    u8* lengths = work_.lengths;
    for (unsigned symbol = 0; symbol < literal_symbols; ++symbol)
        lengths[symbol] = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
    build(work_.literals, {lengths, literal_symbols}, Completeness::Required);
    for (unsigned symbol = 0; symbol < 32; ++symbol)
        lengths[symbol] = 5;
    build(work_.distances, {lengths, 32}, Completeness::Required);
}

/// The two codes of a block are given as code lengths, run-length coded, packed by a third code.
bool Inflater::read_codes()
{
    const unsigned literals = bits_.take(5) + 257, distances = bits_.take(5) + 1, metas = bits_.take(4) + 4;
    if (literals > 286 || distances > distance_symbols)
        return false;
    u8* lengths = work_.lengths;
    for (unsigned i = 0; i < meta_symbols; ++i)
        lengths[meta_order[i]] = static_cast<u8>(i < metas ? bits_.take(3) : 0);
    if (!build(work_.literals, {lengths, meta_symbols}, Completeness::Required))
        return false;
    for (unsigned filled = 0; filled < literals + distances;) {
        unsigned symbol = decode_symbol(work_.literals, bits_);
        if (symbol < 16) {
            lengths[filled++] = static_cast<u8>(symbol);
            continue;
        }
        if (symbol == no_symbol || (symbol == 16 && filled == 0))
            return false;
        u8 value = symbol == 16 ? lengths[filled - 1] : 0;
        unsigned run = symbol == 16 ? 3 + bits_.take(2) : symbol == 17 ? 3 + bits_.take(3) : 11 + bits_.take(7);
        if (run > literals + distances - filled)
            return false;
        while (run-- != 0)
            lengths[filled++] = value;
    }
    return lengths[end_of_block] != 0 && build(work_.literals, {lengths, literals}, Completeness::OneCodeWillDo) &&
           build(work_.distances, {lengths + literals, distances}, Completeness::OneCodeWillDo);
}

UnpackError Inflater::packed_block()
{
    while (!bits_.overrun()) {
        unsigned symbol = decode_symbol(work_.literals, bits_);
        if (symbol < end_of_block) {
            if (position_ == out_.size())
                return UnpackError::OutputTooSmall;
            out_[position_++] = static_cast<u8>(symbol);
            continue;
        }
        if (symbol == end_of_block)
            return UnpackError::None;
        symbol -= end_of_block + 1;
        if (symbol >= length_symbols) // no_symbol, too
            return UnpackError::Corrupt;
        size_t length = length_base[symbol] + bits_.take(length_extra[symbol]);
        symbol = decode_symbol(work_.distances, bits_);
        if (symbol >= distance_symbols)
            return UnpackError::Corrupt;
        size_t distance = distance_base[symbol] + bits_.take(distance_extra[symbol]);
        if (distance > position_)
            return UnpackError::Corrupt;
        if (length > out_.size() - position_)
            return UnpackError::OutputTooSmall;
        for (u8* to = out_.data() + position_; length != 0; --length, ++to, ++position_)
            *to = *(to - distance);
    }
    return UnpackError::Truncated;
}

}

UnpackResult inflate(std::span<const u8> in, std::span<u8> out, InflateWorkspace& workspace)
{
    Inflater inflater(in, out, workspace);
    UnpackError error = inflater.run();
    return {error, inflater.input_used(), inflater.output_size()};
}

}

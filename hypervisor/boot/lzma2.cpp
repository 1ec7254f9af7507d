// LZMA2 decoder, made for a low count of instructions: a kernel's 66 MB are unpacked at every boot.
//
// Three things make it fast. The range coder lives in locals of one function. The output is the dictionary, so that a
// match is one copy, eight bytes a step. And input is bounds-checked once a symbol, not once a byte: a symbol takes at
// most `symbol_input_max` bytes, and a packed chunk without that many bytes behind it cannot be part of a whole file.
// (The .xz file format 1.2.0; LZMA specification by Igor Pavlov, public domain)

#include "hypervisor/boot/lzma2.hpp"

namespace xylem::boot {
namespace {

// A symbol is at most 22 bits of at worst 6 bits of information each (a probability is never below 31/2048) and 26 bits
// coded as they are: 158 bits, less than 20 bytes.
constexpr size_t symbol_input_max = 20;

constexpr u16 even_odds = 1024;

/// What a probability becomes after a 0 and after a 1: a load is fewer instructions than the arithmetic.
struct NextOdds {
    u16 after_zero[2048], after_one[2048];
};

constexpr NextOdds make_next_odds()
{
    NextOdds next{};
    for (u32 odds = 0; odds < 2048; ++odds) {
        next.after_zero[odds] = static_cast<u16>(odds + ((2048 - odds) >> 5));
        next.after_one[odds] = static_cast<u16>(odds - (odds >> 5));
    }
    return next;
}

constexpr NextOdds next_odds = make_next_odds();

constexpr u32 range_minimum = 1u << 24;
constexpr unsigned shortest_match = 2, longest_match = 273;
// States below this one say that the last symbol was a literal.
constexpr u32 first_match_state = 7;

#define XYLEM_INLINE [[gnu::always_inline]] inline

/// The arithmetic decoder. Invariant between operations: range >= range_minimum.
struct RangeCoder {
    const u8* in;
    u32 range, code;

    XYLEM_INLINE void normalise()
    {
        if (range < range_minimum) {
            range <<= 8;
            code = code << 8 | *in++;
        }
    }

    XYLEM_INLINE bool bit(u16& probability)
    {
        u32 odds = probability;
        u32 bound = (range >> 11) * odds;
        bool one = code >= bound;
        if (!one) {
            range = bound;
            probability = next_odds.after_zero[odds];
        } else {
            range -= bound;
            code -= bound;
            probability = next_odds.after_one[odds];
        }
        normalise();
        return one;
    }

    /// One step down a bit tree: `node` becomes its left or right child. By far the most frequent operation, and a
    /// third shorter in this form than compilers make it: bit() with node = 2 * node + bit.
    XYLEM_INLINE u64 descend(u16* tree, u64 node)
    {
        u64 odds, bound;
        asm("movzwl (%[tree],%[node],2), %k[odds]\n\t"
            "mov %[range], %k[bound]\n\t"
            "shr $11, %k[bound]\n\t"
            "imul %k[odds], %k[bound]\n\t"
            "cmp %k[bound], %[code]\n\t"
            "jae 1f\n\t"
            // 0
            "movzwl (%[next],%[odds],2), %k[odds]\n\t"
            "mov %w[odds], (%[tree],%[node],2)\n\t"
            "add %k[node], %k[node]\n\t"
            "mov %k[bound], %[range]\n\t"
            "cmp %[least], %k[bound]\n\t"
            "jae 3f\n\t"
            "jmp 2f\n"
            // 1
            "1: sub %k[bound], %[range]\n\t"
            "sub %k[bound], %[code]\n\t"
            "movzwl %c[one](%[next],%[odds],2), %k[odds]\n\t"
            "mov %w[odds], (%[tree],%[node],2)\n\t"
            "lea 1(%[node],%[node]), %k[node]\n\t"
            "cmp %[least], %[range]\n\t"
            "jae 3f\n"
            // normalise
            "2: movzbl (%[in]), %k[bound]\n\t"
            "shl $8, %[range]\n\t"
            "shl $8, %[code]\n\t"
            "add $1, %[in]\n\t"
            "or %k[bound], %[code]\n"
            "3:"
            : [odds] "=&r"(odds), [bound] "=&r"(bound), [node] "+&r"(node), [range] "+&r"(range), [code] "+&r"(code),
              [in] "+&r"(in)
            : [tree] "r"(tree), [next] "r"(&next_odds), [one] "i"(__builtin_offsetof(NextOdds, after_one)),
              [least] "i"(range_minimum)
            : "memory", "cc");
        return node;
    }

    template <unsigned Bits> XYLEM_INLINE u32 tree(u16* probabilities)
    {
        u64 node = 1;
#pragma GCC unroll 8
        for (unsigned i = 0; i < Bits; ++i)
            node = descend(probabilities, node);
        return static_cast<u32>(node) - (1u << Bits);
    }

    XYLEM_INLINE u32 reverse_tree(u16* probabilities, unsigned bits)
    {
        u64 node = 1;
        u32 value = 0;
        for (unsigned i = 0; i < bits; ++i) {
            node = descend(probabilities, node);
            value |= static_cast<u32>(node & 1) << i;
        }
        return value;
    }

    /// Appends `bits` equally likely bits to `value`.
    XYLEM_INLINE u32 direct(u32 value, unsigned bits)
    {
        do {
            range >>= 1;
            code -= range;
            u32 borrowed = 0 - (code >> 31); // all ones when the bit is 0
            code += range & borrowed;
            value = value + value + 1 + borrowed;
            normalise();
        } while (--bits != 0);
        return value;
    }

    XYLEM_INLINE u32 length(LzmaModel::Length& model, unsigned position_state)
    {
        if (!bit(model.beyond_low))
            return shortest_match + tree<3>(model.low[position_state]);
        if (!bit(model.beyond_mid))
            return shortest_match + 8 + tree<3>(model.mid[position_state]);
        return shortest_match + 16 + tree<8>(model.high);
    }
};

/// What outlives a chunk beside the model.
struct LzmaState {
    u32 state = 0;
    u32 rep0 = 0, rep1 = 0, rep2 = 0, rep3 = 0; // the last four distances, less one
    u32 literal_context_bits = 0, literal_position_mask = 0, position_mask = 0;
};

XYLEM_INLINE u64 load8(const u8* from)
{
    u64 word;
    __builtin_memcpy(&word, from, 8);
    return word;
}

XYLEM_INLINE void store8(u8* to, u64 word)
{
    __builtin_memcpy(to, &word, 8);
}

/// Copies `length` bytes from `distance` behind `to`; may write up to 23 bytes beyond the end.
XYLEM_INLINE void copy_match(u8* to, size_t distance, size_t length)
{
    u8* const end = to + length;
    const u8* from = to - distance;
    // A source nearer than a word repeats. Each step writes one whole period (and some bytes that the next step
    // overwrites), after which the source lies two periods behind.
    while (distance < 8) {
        store8(to, load8(from));
        to += distance;
        distance *= 2;
    }
    do {
        store8(to, load8(from));
        to += 8;
        from += 8;
    } while (to < end);
}

enum class ChunkStatus : u8 { Done, Corrupt };

/// Decodes one LZMA chunk: dictionary[position..limit) from in[0..packed). The input is readable for symbol_input_max
/// bytes more; the output ends at `room`.
ChunkStatus decode_chunk(const u8* in, size_t packed, u8* dictionary, size_t position, size_t limit, size_t room,
                         LzmaModel& model, LzmaState& kept)
{
    const u8* const in_end = in + packed;
    if (packed < 5 || in[0] != 0)
        return ChunkStatus::Corrupt;
    RangeCoder coder{in + 5, 0xffffffff,
                     static_cast<u32>(in[1]) << 24 | static_cast<u32>(in[2]) << 16 | static_cast<u32>(in[3]) << 8 |
                         in[4]};
    u32 state = kept.state;
    u32 rep0 = kept.rep0, rep1 = kept.rep1, rep2 = kept.rep2, rep3 = kept.rep3;
    const u32 context_bits = kept.literal_context_bits, context_shift = 8 - context_bits;
    const u32 literal_position_mask = kept.literal_position_mask;
    const u32 position_mask = kept.position_mask;
    const size_t copy_slack = longest_match + 32;
    const size_t fast_limit = room > copy_slack ? room - copy_slack : 0;

    while (position < limit) {
        if (coder.in > in_end) [[unlikely]]
            return ChunkStatus::Corrupt;
        const u32 position_state = static_cast<u32>(position) & position_mask;

        if (!coder.bit(model.is_match[state][position_state])) {
            u32 previous = position != 0 ? dictionary[position - 1] : 0;
            u32 context =
                ((static_cast<u32>(position) & literal_position_mask) << context_bits) + (previous >> context_shift);
            u16* probabilities = model.literal[context];
            if (state < first_match_state) {
                dictionary[position] = static_cast<u8>(coder.tree<8>(probabilities));
                state = state <= 3 ? 0 : state - 3;
            } else {
                // After a match the byte at the match's distance is known not to follow. It chooses the tree for as
                // long as the bits agree with it; from the first that differs on, the plain tree goes on.
                u32 expected = dictionary[position - rep0 - 1];
                u64 node = 1;
                do {
                    expected <<= 1;
                    u32 expected_bit = expected & 0x100;
                    node = coder.descend(probabilities + 0x100 + expected_bit, node);
                } while (node < 0x100 && ((node ^ expected >> 8) & 1) == 0);
                while (node < 0x100)
                    node = coder.descend(probabilities, node);
                dictionary[position] = static_cast<u8>(node);
                state = state <= 9 ? state - 3 : state - 6;
            }
            ++position;
            continue;
        }

        u32 length;
        if (!coder.bit(model.is_rep[state])) {
            rep3 = rep2;
            rep2 = rep1;
            rep1 = rep0;
            state = state < first_match_state ? 7 : 10;
            length = coder.length(model.match_length, position_state);
            u32 slot_state = length - shortest_match < 3 ? length - shortest_match : 3;
            u32 slot = coder.tree<6>(model.distance_slot[slot_state]);
            if (slot < 4) {
                rep0 = slot;
            } else {
                unsigned bits = (slot >> 1) - 1;
                rep0 = 2 | (slot & 1);
                if (slot < 14) {
                    rep0 <<= bits;
                    rep0 += coder.reverse_tree(model.distance_special + rep0 - slot, bits);
                } else {
                    rep0 = coder.direct(rep0, bits - 4) << 4;
                    rep0 += coder.reverse_tree(model.distance_align, 4);
                }
            }
        } else {
            if (!coder.bit(model.is_rep0[state])) {
                if (!coder.bit(model.is_long_rep0[state][position_state])) {
                    if (rep0 >= position) [[unlikely]]
                        return ChunkStatus::Corrupt;
                    state = state < first_match_state ? 9 : 11;
                    dictionary[position] = dictionary[position - rep0 - 1];
                    ++position;
                    continue;
                }
            } else {
                u32 distance;
                if (!coder.bit(model.is_rep1[state])) {
                    distance = rep1;
                } else {
                    if (!coder.bit(model.is_rep2[state])) {
                        distance = rep2;
                    } else {
                        distance = rep3;
                        rep3 = rep2;
                    }
                    rep2 = rep1;
                }
                rep1 = rep0;
                rep0 = distance;
            }
            state = state < first_match_state ? 8 : 11;
            length = coder.length(model.rep_length, position_state);
        }

        if (rep0 >= position || length > limit - position) [[unlikely]]
            return ChunkStatus::Corrupt;
        const size_t distance = size_t{rep0} + 1;
        if (position < fast_limit) [[likely]] {
            copy_match(dictionary + position, distance, length);
        } else {
            for (size_t i = position; i < position + length; ++i)
                dictionary[i] = dictionary[i - distance];
        }
        position += length;
    }

    kept.state = state;
    kept.rep0 = rep0;
    kept.rep1 = rep1;
    kept.rep2 = rep2;
    kept.rep3 = rep3;
    return coder.in == in_end && coder.code == 0 ? ChunkStatus::Done : ChunkStatus::Corrupt;
}

void reset(LzmaModel& model, LzmaState& state)
{
    u16* probability = reinterpret_cast<u16*>(&model);
    for (size_t i = 0; i < sizeof(model) / sizeof(u16); ++i)
        probability[i] = even_odds;
    state.state = state.rep0 = state.rep1 = state.rep2 = state.rep3 = 0;
}

/// The byte that packs lc, lp and pb. @return false if LZMA2 does not have such
bool set_properties(LzmaState& state, u8 packed)
{
    if (packed >= 9 * 5 * 5)
        return false;
    u32 lc = packed % 9, lp = packed / 9 % 5, pb = packed / 45;
    if (lc + lp > 4)
        return false;
    state.literal_context_bits = lc;
    state.literal_position_mask = (1u << lp) - 1;
    state.position_mask = (1u << pb) - 1;
    return true;
}

/// The chunks of one LZMA2 stream, one after another.
class ChunkReader {
public:
    ChunkReader(std::span<const u8> in, std::span<u8> out, LzmaModel& model) : in_(in), out_(out), model_(model) {}

    UnpackError run()
    {
        for (;;) {
            if (at_ == in_.size())
                return UnpackError::Truncated;
            u8 control = in_[at_++];
            if (control == 0)
                return UnpackError::None;
            if (UnpackError error = control & 0x80 ? packed_chunk(control) : stored_chunk(control);
                error != UnpackError::None)
                return error;
        }
    }
    size_t input_used() const { return at_; }
    size_t output_size() const { return position_; }

private:
    bool available(size_t bytes) const { return in_.size() - at_ >= bytes; }
    size_t big_endian_16()
    {
        size_t value = static_cast<size_t>(in_[at_]) << 8 | in_[at_ + 1];
        at_ += 2;
        return value;
    }

    void reset_dictionary()
    {
        dictionary_start_ = position_;
        dictionary_valid_ = true;
        properties_valid_ = false;
    }

    UnpackError stored_chunk(u8 control)
    {
        if (control > 2 || (control == 2 && !dictionary_valid_))
            return UnpackError::Corrupt;
        if (control == 1)
            reset_dictionary();
        if (!available(2))
            return UnpackError::Truncated;
        size_t size = big_endian_16() + 1;
        if (!available(size))
            return UnpackError::Truncated;
        if (size > out_.size() - position_)
            return UnpackError::OutputTooSmall;
        __builtin_memcpy(&out_[position_], &in_[at_], size);
        at_ += size;
        position_ += size;
        return UnpackError::None;
    }

    UnpackError packed_chunk(u8 control)
    {
        enum : unsigned { keep_all, reset_state, new_properties, reset_all };
        const unsigned resets = control >> 5 & 3;
        if (resets == reset_all)
            reset_dictionary();
        if (!dictionary_valid_ || (resets < new_properties && !properties_valid_))
            return UnpackError::Corrupt;
        if (!available(5))
            return UnpackError::Truncated;
        size_t size = (static_cast<size_t>(control & 0x1f) << 16) + big_endian_16() + 1;
        size_t packed = big_endian_16() + 1;
        if (resets >= new_properties) {
            if (!set_properties(state_, in_[at_++]))
                return UnpackError::Corrupt;
            properties_valid_ = true;
        }
        if (resets >= reset_state)
            reset(model_, state_);
        if (!available(packed + symbol_input_max))
            return UnpackError::Truncated;
        if (size > out_.size() - position_)
            return UnpackError::OutputTooSmall;
        const size_t from = position_ - dictionary_start_;
        if (decode_chunk(&in_[at_], packed, out_.data() + dictionary_start_, from, from + size,
                         out_.size() - dictionary_start_, model_, state_) != ChunkStatus::Done)
            return UnpackError::Corrupt;
        at_ += packed;
        position_ += size;
        return UnpackError::None;
    }

    std::span<const u8> in_;
    std::span<u8> out_;
    LzmaModel& model_;
    LzmaState state_;
    size_t at_ = 0, position_ = 0, dictionary_start_ = 0;
    bool dictionary_valid_ = false, properties_valid_ = false;
};

}

UnpackResult unpack_lzma2(std::span<const u8> in, std::span<u8> out, LzmaModel& model)
{
    ChunkReader reader(in, out, model);
    UnpackError error = reader.run();
    return {error, reader.input_used(), reader.output_size()};
}

}

// What the filter takes for a branch: an opcode E8 or E9 whose 32-bit operand has a top byte of 00 or FF, so that the
// target is near. Opcodes cluster, and an E8 may as well be part of another's operand; the filter therefore remembers
// in which of the three bytes before this one an opcode stands that it left alone, and lets that veto or bend the
// conversion. Both sides must remember alike, so this follows the format to the letter. (The .xz file
// format 1.2.0, 5.3.2)

#include "hypervisor/boot/bcj_x86.hpp"

#include <bit>

namespace xylem::boot {
namespace {

constexpr size_t branch_bytes = 5;

u32 load4(const u8* from)
{
    u32 word;
    __builtin_memcpy(&word, from, 4);
    return word;
}

void store4(u8* to, u32 word)
{
    __builtin_memcpy(to, &word, 4);
}

bool is_branch(u8 opcode)
{
    return (opcode & 0xfe) == 0xe8;
}

bool is_near(u32 top_byte)
{
    return top_byte == 0 || top_byte == 0xff;
}

/// @return the first position in [at, end) that holds E8 or E9, or `end`
size_t find_branch(std::span<const u8> bytes, size_t at, size_t end)
{
    constexpr u64 ones = 0x0101010101010101;
    // From below this position, eight bytes can be read.
    const size_t word_end = bytes.size() < 8 ? 0 : bytes.size() - 7 < end ? bytes.size() - 7 : end;
    for (; at < word_end; at += 8) {
        u64 word;
        __builtin_memcpy(&word, bytes.data() + at, 8);
        // A zero byte here is a branch. The lowest zero found is a true one; only those above it may come of a borrow.
        u64 difference = (word & ~ones) ^ ones * 0xe8;
        if (u64 zeros = (difference - ones) & ~difference & ones * 0x80; zeros != 0) {
            at += static_cast<size_t>(std::countr_zero(zeros)) / 8;
            return at < end ? at : end;
        }
    }
    while (at < end && !is_branch(bytes[at]))
        ++at;
    return at < end ? at : end;
}

/// The target of the branch at `position`, made relative again. `skipped` is how far back an opcode left alone stands,
/// 0 if there is none: its top operand byte lies in ours and must not have come out as 00 or FF.
u32 relative_target(u32 absolute, u32 position, unsigned skipped)
{
    u32 origin = position + branch_bytes;
    u32 target = absolute - origin;
    if (skipped != 0 && is_near(target >> (24 - 8 * skipped) & 0xff))
        target = (target ^ ((u32{1} << (32 - 8 * skipped)) - 1)) - origin;
    // 25 bits, sign-extended.
    return (target & 0x01ffffff) | (0 - (target & 0x01000000));
}

}

void undo_x86_branch_filter(std::span<u8> bytes, u32 start_offset)
{
    if (bytes.size() < branch_bytes)
        return;
    const size_t end = bytes.size() - branch_bytes + 1;
    size_t resume = 0; // `seen` speaks of the three bytes before this position
    unsigned seen = 0; // bit n: an opcode left alone stands n + 1 bytes back
    for (size_t at = find_branch(bytes, 0, end); at < end; at = find_branch(bytes, resume, end)) {
        seen = at - resume > 2 ? 0 : (seen << (at - resume)) & 7;
        unsigned farthest = static_cast<unsigned>(std::bit_width(seen));
        bool several = (seen & (seen - 1)) != 0;
        bool vetoed = several || (seen != 0 && is_near(bytes[at + 4 - farthest]));
        if (!vetoed && is_near(bytes[at + 4])) {
            u32 absolute = load4(&bytes[at + 1]);
            store4(&bytes[at + 1], relative_target(absolute, start_offset + static_cast<u32>(at), farthest));
            resume = at + branch_bytes;
            seen = 0;
        } else {
            resume = at + 1;
            seen = seen << 1 | 1;
        }
    }
}

}

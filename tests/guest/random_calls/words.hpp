// What the random calls are made of: a generator, memory that the guest can do without, and words that look like
// something: addresses, frames, domains, small numbers.
//
// A guest may ask the hypervisor to write anywhere in its own memory. So a word that names memory which this guest runs
// by, as a frame or as a machine address, is turned into one that names a page of the playground; of the others only
// the root of its page tables stays in, which the hypervisor must not let it write to.
#pragma once

#include "frontends/guest/guest.hpp"
#include "frontends/guest/memory.hpp"

namespace xylem::guest {

/// xorshift64*: any seed but 0.
class Random {
public:
    explicit Random(u64 seed) : state_(seed) {}
    u64 word()
    {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 2685821657736338717U;
    }
    u64 below(u64 end) { return word() % end; }
    bool chance(unsigned percent) { return below(100) < percent; }
    template <typename T, size_t count> T pick(const T (&choices)[count]) { return choices[below(count)]; }

private:
    u64 state_;
};

inline constexpr u64 argument_words = 1024, list_start = 512, playground_pages = 16;
inline constexpr u64 argument_pages = argument_words * sizeof(u64) >> page_shift;

/// The guest's spare memory, with nothing mapped in front of it, behind it, and between its parts: a list that is
/// longer than its part ends in a fault.
struct Playground {
    u64* arguments;                              ///< argument_words: structures from the start, lists from list_start
    const u64* argument_entries[argument_pages]; ///< where they are mapped
    char* pages;                                 ///< playground_pages, which may come to be any thing, or be given away
    u64 frames[playground_pages];
    u64 root, shared_info; ///< frames that it must not get hold of, and that it may spoil
    abi::RawDomId own_id;
};

/// @return false  the guest's frames are higher than it can tell them by
bool make_playground(Playground& playground);

/// Maps the arguments anew if a call that maps grants has put something else in their place.
void keep_arguments(const Playground& playground);

/// No one's, on either hypervisor; never memory of this guest.
u64 boundary_address(Random& random);
u64 some_frame(Random& random, const Playground& playground);
/// A word as it may stand in a structure, or be an argument itself.
u64 some_word(Random& random, const Playground& playground);
/// A pointer as an argument: to the arguments, most times.
u64 some_pointer(Random& random, const Playground& playground);
/// Fills the first words of structures and of lists.
void fill_arguments(Random& random, const Playground& playground);

// ---- How it is done ------------------------------------------------------------------------------------------------

namespace words {

inline constexpr u64 most_frames = u64{1} << 20;
inline u64 own_frames[most_frames / 64]; ///< a bit for each that the guest runs by

inline bool runs_by(u64 frame)
{
    return frame < most_frames && own_frames[frame / 64] >> frame % 64 & 1;
}

inline u64 harmless(u64 word, u64 instead)
{
    if (runs_by(word))
        return instead;
    return runs_by(word >> page_shift) ? instead << page_shift | (word & ~page_mask) : word;
}

}

inline bool make_playground(Playground& playground)
{
    for (u64 pfn = 0; pfn < start_info().nr_pages; ++pfn) {
        const u64 frame = mfn_of_pfn(pfn);
        if (frame >= words::most_frames)
            return false;
        words::own_frames[frame / 64] |= u64{1} << frame % 64;
    }
    auto* room = static_cast<char*>(allocate_pages(argument_pages + playground_pages + 3));
    const auto leave_out = [&] {
        update_va_mapping(room, 0);
        room += page_size;
    };
    leave_out();
    playground.arguments = reinterpret_cast<u64*>(room);
    for (const u64*& entry : playground.argument_entries) {
        entry = entry_of(room);
        // Mapped twice, it stays the guest's when it is given away and its place here taken by something else.
        update_va_mapping(allocate_page(), mfn_of_address(room) << page_shift | kernel_page);
        room += page_size;
    }
    leave_out();
    playground.pages = room;
    for (u64& frame : playground.frames) {
        frame = mfn_of_address(room);
        words::own_frames[frame / 64] &= ~(u64{1} << frame % 64);
        room += page_size;
    }
    leave_out();
    playground.root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    playground.shared_info = start_info().shared_info >> page_shift;
    return true;
}

inline void keep_arguments(const Playground& playground)
{
    constexpr u64 meaning = abi::pte::frame_mask | abi::pte::present | abi::pte::writable;
    const char* page = reinterpret_cast<char*>(playground.arguments);
    for (const u64* entry : playground.argument_entries) {
        const u64 wanted = mfn_of_address(page) << page_shift | kernel_page;
        if ((*entry ^ wanted) & meaning)
            update_va_mapping(page, wanted);
        page += page_size;
    }
}

inline u64 boundary_address(Random& random)
{
    constexpr u64 addresses[] = {0,
                                 1,
                                 0x5000,
                                 0x7fff'ffff'fff8,
                                 0x7fff'ffff'ffff,
                                 0x8000'0000'0000,
                                 0xffff'7fff'ffff'ffff,
                                 0xffff'8000'0000'0000,
                                 0xffff'82d0'4000'0000,
                                 0xffff'8300'0000'0000,
                                 0xffff'87ff'ffff'ffff,
                                 0xffff'8800'0000'0000,
                                 0xffff'ffff'ffff'fff8,
                                 ~u64{0}};
    return random.pick(addresses);
}

inline u64 some_frame(Random& random, const Playground& playground)
{
    switch (random.below(5)) {
    case 0:
        return words::harmless(random.word() >> random.below(64), playground.frames[0]);
    case 1:
        return playground.shared_info;
    case 2:
        return playground.root;
    default:
        return random.pick(playground.frames);
    }
}

inline u64 some_word(Random& random, const Playground& playground)
{
    const u64 instead = random.pick(playground.frames);
    switch (random.below(9)) {
    case 0:
        return words::harmless(random.word(), instead);
    case 1:
        return words::harmless(random.word() >> random.below(64), instead);
    case 2:
        return words::harmless(u64{1} << random.below(64), instead);
    case 3:
        return boundary_address(random);
    case 4:
        return abi::domid_self + random.below(4);
    case 5:
        return playground.own_id;
    case 6:
        return some_frame(random, playground);
    case 7:
        return some_frame(random, playground) << page_shift | random.below(page_size);
    default:
        return random.below(16);
    }
}

inline u64 some_pointer(Random& random, const Playground& playground)
{
    if (random.chance(80))
        return reinterpret_cast<u64>(&playground.arguments[random.below(8)]);
    return random.chance(50) ? boundary_address(random)
                             : reinterpret_cast<u64>(playground.pages + (random.below(playground_pages) << page_shift));
}

inline void fill_arguments(Random& random, const Playground& playground)
{
    constexpr u64 filled = 64;
    for (u64 i = 0; i < filled; ++i) {
        u64 word = some_word(random, playground);
        if (random.chance(40)) // two numbers of 32 bits
            word =
                words::harmless((word & 0xffffffff) | some_word(random, playground) << 32, playground.frames[i % 16]);
        if (random.chance(20))
            word = random.chance(50) ? reinterpret_cast<u64>(&playground.arguments[list_start + random.below(8)])
                                     : some_pointer(random, playground);
        playground.arguments[i] = word;
        playground.arguments[list_start + i] = random.chance(70) ? some_frame(random, playground) : word;
    }
}

}

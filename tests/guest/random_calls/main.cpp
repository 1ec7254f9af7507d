// A hostile guest: every hypercall with random and boundary arguments, from a seed that it prints. It tries to bring
// the hypervisor down, and asks afterwards for nothing but to be alive; what it leaves behind the audit looks at
// (system/isolation).
//
// Left out is what may rightly end this guest itself or take away what it runs by: shutdowns, iret, its stack, its trap
// table and callbacks, its root tables. Where an argument is a list of frames, those are of pages that are nobody's.
// Words: seed=N (else the clock's), calls=N. Dom0 has power over the machine, and does nothing here.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"

#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

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

private:
    u64 state_;
};

constexpr unsigned playground_pages = 16;
/// Pages that the guest does not need: arguments lie here, and whatever is done to frames is done to theirs.
char* playground[playground_pages];
u64 playground_mfns[playground_pages];
/// The arguments of one call.
alignas(64) u64 arguments[512];
abi::RawDomId own_id;

u64 boundary_address(Random& random)
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
    return addresses[random.below(sizeof addresses / sizeof addresses[0])];
}

u64 some_frame(Random& random)
{
    switch (random.below(5)) {
    case 0:
        return random.word() >> random.below(64);
    case 1:
        return start_info().shared_info >> page_shift;
    case 2:
        return mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)); // a table in use
    default:
        return playground_mfns[random.below(playground_pages)];
    }
}

/// A word as it may stand in a structure, or be an argument itself.
u64 some_word(Random& random)
{
    switch (random.below(9)) {
    case 0:
        return random.word();
    case 1:
        return random.word() >> random.below(64);
    case 2:
        return u64{1} << random.below(64);
    case 3:
        return boundary_address(random);
    case 4:
        return abi::domid_self + random.below(4);
    case 5:
        return own_id;
    case 6:
        return some_frame(random);
    case 7:
        return some_frame(random) << page_shift | random.below(4096);
    default:
        return random.below(16);
    }
}

/// Fills the arguments with words, many of them small, and some of them in halves.
void fill_arguments(Random& random)
{
    for (unsigned i = 0; i < 64; ++i) {
        const u64 word = some_word(random);
        arguments[i] = random.chance(40) ? (word & 0xffffffff) | some_word(random) << 32 : word;
        if (random.chance(20))
            arguments[i] = reinterpret_cast<u64>(playground[random.below(playground_pages)]);
    }
}

u64 some_pointer(Random& random)
{
    if (random.chance(80))
        return reinterpret_cast<u64>(&arguments[random.below(8)]);
    return random.chance(50) ? boundary_address(random) : reinterpret_cast<u64>(playground[random.below(4)]);
}

constexpr u64 vector_debug = 1, vector_nmi = 2, flag_resume = 0x10000, flag_trap = 0x100;

/// A breakpoint that it has set, or an NMI that it has sent itself.
bool pass_over(TrapFrame& frame)
{
    frame.rflags = (frame.rflags | flag_resume) & ~flag_trap;
    return true;
}

/// A hypercall and how many of its sub-operations to try: its first argument is one of them.
struct Call {
    HypercallNumber number;
    unsigned operations; ///< 0: the first argument is no operation
    bool pointer_first;  ///< the first argument is the pointer
};

constexpr Call calls[] = {{HypercallNumber::mmu_update, 0, true},
                          {HypercallNumber::set_gdt, 0, true},
                          {HypercallNumber::fpu_taskswitch, 2, false},
                          {HypercallNumber::platform_op, 0, true},
                          {HypercallNumber::set_debugreg, 9, false},
                          {HypercallNumber::get_debugreg, 9, false},
                          {HypercallNumber::update_descriptor, 0, false},
                          {HypercallNumber::memory_op, 30, false},
                          {HypercallNumber::multicall, 0, true},
                          {HypercallNumber::update_va_mapping, 0, false},
                          {HypercallNumber::set_timer_op, 0, false},
                          {HypercallNumber::event_channel_op_compat, 0, true},
                          {HypercallNumber::xen_version, 12, false},
                          {HypercallNumber::console_io, 3, false},
                          {HypercallNumber::physdev_op_compat, 0, true},
                          {HypercallNumber::grant_table_op, 14, false},
                          {HypercallNumber::vm_assist, 3, false},
                          {HypercallNumber::update_va_mapping_otherdomain, 0, false},
                          {HypercallNumber::vcpu_op, 15, false},
                          {HypercallNumber::set_segment_base, 5, false},
                          {HypercallNumber::mmuext_op, 0, true},
                          {HypercallNumber::xsm_op, 0, true},
                          {HypercallNumber::sched_op, 9, false},
                          {HypercallNumber::event_channel_op, 16, false},
                          {HypercallNumber::physdev_op, 33, false},
                          {HypercallNumber::hvm_op, 20, false},
                          {HypercallNumber::sysctl, 0, true},
                          {HypercallNumber::domctl, 0, true},
                          {HypercallNumber::kexec_op, 6, false},
                          {HypercallNumber::xenpmu_op, 8, false},
                          {HypercallNumber::mca, 0, true}};

/// One mmuext_op or mmu_update that leaves the guest its own tables.
bool spares_the_guest(HypercallNumber number, u64 operation)
{
    constexpr u64 block = 1, shutdown = 2, poll = 3, shutdown_code = 5, watchdog = 6, down = 2, initialise = 0,
                  register_info = 10, reset = 10, decrease = 1;
    switch (number) {
    case HypercallNumber::sched_op: // those that end it, or may wait for ever
        return operation != block && operation != shutdown && operation != poll && operation != shutdown_code &&
               operation != watchdog;
    case HypercallNumber::vcpu_op: // the second vCPU would run wild, and the first one's events go astray
        return operation != initialise && operation != down && operation != register_info;
    case HypercallNumber::event_channel_op: // the console's port
        return operation != reset && operation != reset + 1 && operation != 3;
    case HypercallNumber::memory_op:
        return operation != decrease;
    default:
        return true;
    }
}

/// mmuext operations by hand: new roots are refused by their numbers, and are not made.
u64 some_mmuext(Random& random)
{
    constexpr u64 harmless[] = {0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 16, 17, 18, 19, 20, 21, 99};
    return harmless[random.below(sizeof harmless / sizeof harmless[0])];
}

void put_list(Random& random, HypercallNumber number)
{
    if (number == HypercallNumber::mmuext_op)
        for (unsigned i = 0; i < 8; ++i) {
            arguments[i * 3] = some_mmuext(random);
            arguments[i * 3 + 1] = random.chance(70) ? playground_mfns[random.below(playground_pages)] : random.word();
        }
    if (number == HypercallNumber::mmu_update)
        for (unsigned i = 0; i < 8; ++i)
            arguments[i * 2] = playground_mfns[random.below(playground_pages)] << page_shift | random.below(4096);
    if (number == HypercallNumber::multicall)
        for (unsigned i = 0; i < 8; ++i)
            arguments[i * 8] =
                random.chance(50) ? static_cast<u64>(HypercallNumber::xen_version) : 40 + random.below(30);
    if (number == HypercallNumber::event_channel_op_compat)
        arguments[0] = random.below(3);
}

void one_call(Random& random)
{
    const Call& call = calls[random.below(sizeof calls / sizeof calls[0])];
    fill_arguments(random);
    put_list(random, call.number);
    u64 words[5];
    for (u64& word : words)
        word = random.chance(30) ? some_pointer(random) : some_word(random);
    if (call.pointer_first) {
        words[0] = call.number == HypercallNumber::mmuext_op || call.number == HypercallNumber::mmu_update ||
                           call.number == HypercallNumber::multicall ||
                           call.number == HypercallNumber::event_channel_op_compat
                       ? reinterpret_cast<u64>(arguments)
                       : some_pointer(random);
        words[1] = random.chance(90) ? random.below(8) : some_word(random) & 0x7fffffff;
        if (words[1] > 8 && words[0] == reinterpret_cast<u64>(arguments))
            words[1] = 8;
    } else if (call.operations != 0) {
        words[0] = random.chance(95) ? random.below(call.operations) : some_word(random) & ~u64{0x3f};
        words[1] = random.chance(90) ? some_pointer(random) : some_word(random);
        if (call.number == HypercallNumber::grant_table_op)
            words[2] = random.chance(90) ? random.below(4) : some_word(random);
        if (call.number == HypercallNumber::vcpu_op) {
            words[1] = random.below(3);
            words[2] = some_pointer(random);
        }
    } else if (call.number == HypercallNumber::update_va_mapping ||
               call.number == HypercallNumber::update_va_mapping_otherdomain) {
        words[0] = random.chance(80) ? reinterpret_cast<u64>(playground[random.below(playground_pages)])
                                     : boundary_address(random);
    }
    if (spares_the_guest(call.number, words[0] & 0x3f))
        hypercall(static_cast<u64>(call.number), words[0], words[1], words[2], words[3], words[4]);
}

/// Numbers that may be no hypercalls at all.
void odd_call(Random& random)
{
    const u64 number = random.chance(50) ? 38 + random.below(90) : random.word() | u64{1} << 32;
    if (number != static_cast<u64>(HypercallNumber::mca))
        hypercall(number, some_word(random), some_word(random), some_word(random), some_word(random),
                  some_word(random));
}

u64 number_argument(const char* name, u64 otherwise)
{
    char text[24];
    if (!find_argument(name, text, sizeof text))
        return otherwise;
    u64 value = 0;
    for (const char* c = text; *c >= '0' && *c <= '9'; ++c)
        value = value * 10 + static_cast<u64>(*c - '0');
    return value;
}

}

void xylem_main()
{
    if (is_dom0()) {
        skip("it is for guests: dom0 may do what it likes");
        return finish_test();
    }
    const u64 seed = number_argument("seed=", wall_clock() | 1), count = number_argument("calls=", 5'000);
    print("seed={} calls={}\n", seed, count);
    for (unsigned i = 0; i < playground_pages; ++i) {
        playground[i] = static_cast<char*>(allocate_page());
        playground_mfns[i] = mfn_of_address(playground[i]);
    }
    own_id = own_domain_id();
    for (unsigned i = 0; i < playground_pages; ++i)
        grant(abi::grant_nr_reserved_entries + i, own_id, playground[i], i % 4 == 3 ? abi::gtf_readonly : u16{0});
    set_trap_handler(vector_debug, pass_over);
    set_trap_handler(vector_nmi, pass_over);
    Random random(seed);
    u64 told = 0;
    for (u64 i = 0; i < count; ++i) {
        random.chance(97) ? one_call(random) : odd_call(random);
        if (i * 10 / count != told)
            print("{} calls made\n", i), told = i * 10 / count;
    }
    EXPECT(hypercall(HypercallNumber::xen_version, 0), 4 << 16 | 17);
    finish_test();
}

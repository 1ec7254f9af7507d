// A hostile guest: every hypercall with random and boundary arguments, from a seed that it prints. It tries to bring
// the hypervisor down, and asks afterwards for nothing but to be alive; what it leaves behind the audit looks at
// (system/isolation).
//
// It has to survive what it does to itself. Its words spare the memory that it runs by (words.hpp). What takes its
// traps or its stack away is followed by taking them back, with nothing in between that would need them. And what would
// rightly end it or never come back (a shutdown, a wait for nothing, a root without its code) is asked for in ways that
// must fail, or with the one argument that cannot be left to chance.
//
// Words: seed=N (else the clock's), calls=N. Dom0 has power over the machine, and does nothing here.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/internal.hpp"
#include "frontends/guest/test.hpp"
#include "frontends/guest/time.hpp"
#include "tests/guest/random_calls/words.hpp"

#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/io/console.hpp"
#include "hypervisor/abi/platform.hpp"
#include "hypervisor/abi/sysctl.hpp"
#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::EvtchnCmd;
using abi::HypercallNumber;
using abi::MmuextCmd;
using abi::SchedCmd;
using abi::VcpuCmd;

namespace {

constexpr u64 lists = 8; ///< entries of a list that is made with care

Playground playground;

u64 word(Random& random)
{
    return some_word(random, playground);
}
u64 pointer(Random& random)
{
    return some_pointer(random, playground);
}
u64 arguments_at(u64 index)
{
    return reinterpret_cast<u64>(&playground.arguments[index]);
}

struct Words {
    u64 a[5];
};

i64 call(HypercallNumber number, const Words& words)
{
    return hypercall(number, words.a[0], words.a[1], words.a[2], words.a[3], words.a[4]);
}

Words random_words(Random& random)
{
    Words words;
    for (u64& each : words.a)
        each = random.chance(30) ? pointer(random) : word(random);
    return words;
}

/// An operation, most times one that there is.
u64 operation(Random& random, u64 operations)
{
    return random.chance(95) ? random.below(operations) : word(random) | 0x100;
}

// ---- Calls that need no care beyond their words --------------------------------------------------------------------

struct Plain {
    HypercallNumber number;
    unsigned operations; ///< of its first argument; 0: that is none
    bool pointer_first;  ///< the first argument is a pointer, and the second a count
};

constexpr Plain plain_calls[] = {{HypercallNumber::set_gdt, 0, true},
                                 {HypercallNumber::fpu_taskswitch, 2, false},
                                 {HypercallNumber::set_debugreg, 9, false},
                                 {HypercallNumber::get_debugreg, 9, false},
                                 {HypercallNumber::update_descriptor, 0, false},
                                 {HypercallNumber::memory_op, 30, false},
                                 {HypercallNumber::set_timer_op, 0, false},
                                 {HypercallNumber::xen_version, 12, false},
                                 {HypercallNumber::console_io, 3, false},
                                 {HypercallNumber::physdev_op_compat, 0, true},
                                 {HypercallNumber::grant_table_op, 14, false},
                                 {HypercallNumber::vm_assist, 3, false},
                                 {HypercallNumber::set_segment_base, 5, false},
                                 {HypercallNumber::xsm_op, 0, true},
                                 {HypercallNumber::xenoprof_op, 16, false},
                                 {HypercallNumber::physdev_op, 33, false},
                                 {HypercallNumber::hvm_op, 20, false},
                                 {HypercallNumber::kexec_op, 6, false},
                                 {HypercallNumber::tmem_op, 0, true},
                                 {HypercallNumber::argo_op, 8, false},
                                 {HypercallNumber::xenpmu_op, 8, false},
                                 {HypercallNumber::dm_op, 0, false},
                                 {HypercallNumber::hypfs_op, 6, false},
                                 {HypercallNumber::mca, 0, true}};

void plain_call(Random& random, const Plain& which)
{
    Words words = random_words(random);
    if (which.pointer_first) {
        words.a[0] = pointer(random);
        words.a[1] = random.chance(90) ? random.below(lists) : word(random);
    } else if (which.operations != 0) {
        words.a[0] = operation(random, which.operations);
        words.a[1] = random.chance(90) ? pointer(random) : word(random);
        if (which.number == HypercallNumber::grant_table_op)
            words.a[2] = random.chance(90) ? random.below(4) : word(random);
    }
    call(which.number, words);
}

// ---- Calls whose arguments begin with something that is looked at first
// ----------------------------------------------

void control(Random& random, HypercallNumber number, u32 version, u64 operations)
{
    if (random.chance(90))
        playground.arguments[0] = random.below(operations) | u64{version} << 32;
    Words words = random_words(random);
    words.a[0] = random.chance(90) ? arguments_at(0) : pointer(random);
    call(number, words);
}

void domctl(Random& random)
{
    control(random, HypercallNumber::domctl, abi::domctl_interface_version, 90);
}
void sysctl(Random& random)
{
    control(random, HypercallNumber::sysctl, abi::sysctl_interface_version, 30);
}
void platform_op(Random& random)
{
    control(random, HypercallNumber::platform_op, abi::platform_interface_version, 65);
}

// ---- Page tables ---------------------------------------------------------------------------------------------------

/// Entries of tables that are nobody's, and of the hypervisor's part of the root.
void mmu_update(Random& random)
{
    constexpr u64 first_slot = 256, slots = 16;
    for (u64 i = 0; i < lists; ++i)
        playground.arguments[i * 2] =
            random.chance(90) ? random.pick(playground.frames) << page_shift | random.below(page_size)
                              : playground.root << page_shift | (first_slot + random.below(slots)) * sizeof(u64);
    Words words = random_words(random);
    words.a[0] = arguments_at(0);
    words.a[1] = random.below(lists + 1);
    call(HypercallNumber::mmu_update, words);
}

/// The root may be loaded anew; nothing that might be another one.
u64 no_other_root(Random& random)
{
    return random.chance(50) ? playground.root : random.word() | u64{1} << 50;
}

void mmuext_op(Random& random)
{
    for (u64 i = 0; i < lists; ++i) {
        u64* entry = &playground.arguments[i * 3];
        entry[0] = operation(random, 21);
        entry[1] = random.chance(70) ? random.pick(playground.frames) : word(random);
        if (static_cast<MmuextCmd>(static_cast<u32>(entry[0])) == MmuextCmd::new_baseptr)
            entry[1] = no_other_root(random);
    }
    Words words = random_words(random);
    words.a[0] = arguments_at(0);
    words.a[1] = random.below(lists + 1);
    call(HypercallNumber::mmuext_op, words);
}

void map_something(Random& random, HypercallNumber number)
{
    Words words = random_words(random);
    words.a[0] = random.chance(80)
                     ? reinterpret_cast<u64>(playground.pages + (random.below(playground_pages) << page_shift))
                     : boundary_address(random);
    call(number, words);
}
void update_va_mapping(Random& random)
{
    map_something(random, HypercallNumber::update_va_mapping);
}
void update_va_mapping_otherdomain(Random& random)
{
    map_something(random, HypercallNumber::update_va_mapping_otherdomain);
}

void multicall(Random& random)
{
    constexpr HypercallNumber parts[] = {
        HypercallNumber::xen_version,    HypercallNumber::physdev_op,   HypercallNumber::memory_op,
        HypercallNumber::grant_table_op, HypercallNumber::get_debugreg, HypercallNumber::multicall,
        HypercallNumber::xenpmu_op,      HypercallNumber::dm_op,        HypercallNumber::set_timer_op,
        HypercallNumber::vm_assist,      HypercallNumber::set_debugreg, HypercallNumber::hvm_op};
    static abi::MulticallEntry list[lists]; // where no part of it writes to: that could make any call of another one
    for (abi::MulticallEntry& entry : list) {
        entry.op = random.chance(90) ? static_cast<u64>(random.pick(parts)) : random.word() | u64{1} << 32;
        for (u64& each : entry.args)
            each = random.chance(30) ? pointer(random) : word(random);
    }
    Words words = random_words(random);
    words.a[0] = address_of(list);
    words.a[1] = random.below(lists + 1);
    call(HypercallNumber::multicall, words);
}

// ---- Traps and the stack: gone, and taken back
// -------------------------------------------------------------------------

void take_traps_back()
{
    abi::CallbackUnregister no_nmi{abi::CallbackType::nmi, 0};
    hypercall(HypercallNumber::callback_op, static_cast<u64>(abi::CallbackCmd::unregister_callback),
              address_of(no_nmi));
    initialise_traps();
}

void trap_call(Random& random)
{
    constexpr HypercallNumber numbers[] = {HypercallNumber::set_trap_table, HypercallNumber::set_callbacks,
                                           HypercallNumber::stack_switch, HypercallNumber::callback_op,
                                           HypercallNumber::nmi_op};
    const HypercallNumber number = random.pick(numbers);
    Words words = random_words(random);
    if (number == HypercallNumber::set_trap_table)
        words.a[0] = pointer(random);
    if (number == HypercallNumber::callback_op || number == HypercallNumber::nmi_op) {
        words.a[0] = operation(random, 3);
        words.a[1] = pointer(random);
    }
    shared_info().vcpu_info[0].evtchn_upcall_mask = 1;
    call(number, words);
    take_traps_back();
}

constexpr u64 vector_debug = 1, vector_nmi = 2, flag_resume = 0x10000, flag_trap = 0x100;

/// A breakpoint that it has set, or an NMI that it has sent itself.
bool pass_over(TrapFrame& frame)
{
    frame.rflags = (frame.rflags | flag_resume) & ~flag_trap;
    return true;
}
u64 behind_iret, stack_at_iret;

/// What faulted in leaving goes on behind the hypercall.
bool come_back(TrapFrame& frame)
{
    if (behind_iret == 0)
        return false;
    frame.rip = behind_iret;
    frame.rsp = stack_at_iret;
    frame.cs = abi::flat_ring3_cs64 & ~u64{3};
    frame.ss = abi::flat_ring3_ss64;
    frame.rflags = 2;
    behind_iret = 0;
    return true;
}

/// Selectors that cannot be loaded any more are none from here on.
bool do_without(TrapFrame& frame)
{
    come_back(frame);
    return true;
}

/// For CS, of any segment but the flat one of 32 bits: in it the stack pointer loses its upper half, and with it the
/// stack that the fault's frame must go to, which is the end of a guest on either hypervisor. Of ring 0, so that the
/// guest stays in the kernel's mode: there is no user root.
u64 code_selector(Random& random)
{
    const u64 flat = abi::flat_ring3_cs64 & ~u64{3}, flat32 = abi::flat_ring3_cs32 & ~u64{3};
    const u64 selector = random.chance(50) ? flat : word(random) & ~u64{3};
    return (selector & 0xffff) == flat32 ? flat : selector;
}

/// To where there is nothing, by selectors and flags of all sorts, on a stack that takes the fault's frame.
void iret(Random& random)
{
    constexpr u64 nowhere[] = {0x5000, 0x7fff'ffff'fff8, 0x8000'0000'0000, 0xffff'7fff'ffff'ffff,
                               0xffff'82d0'4000'0000};
    // An event that comes just before the call is handled on this stack.
    static struct {
        u64 room[512];
        u64 frame[9]; // rax, r11, rcx, flags, rip, cs, rflags, rsp, ss
    } stack;
    u64(&frame)[9] = stack.frame;
    for (u64& each : frame)
        each = word(random);
    frame[4] = random.pick(nowhere);
    frame[5] = code_selector(random);
    frame[8] = random.chance(50) ? abi::flat_ring3_ss64 : word(random);
    asm volatile("lea 1f(%%rip), %%rax\n"
                 "mov %%rax, %[behind]\n"
                 "mov %%rsp, %[stack]\n"
                 "mov %%rsp, 56(%[frame])\n"
                 "mov %[frame], %%rsp\n"
                 "mov $23, %%eax\n"
                 "syscall\n"
                 "1:\n"
                 : [behind] "=m"(behind_iret), [stack] "=m"(stack_at_iret)
                 : [frame] "r"(frame)
                 : "rax", "rcx", "r11", "memory", "cc");
}

// ---- Scheduling, vCPUs, events: what would end it, or never ends
// ---------------------------------------------------------

/// Where nothing can be read.
u64 bad_pointer(Random& random)
{
    constexpr u64 addresses[] = {0, 0x5000, 0x7fff'ffff'ffff, 0xffff'8300'0000'0000, 0xffff'ffff'ffff'fff8};
    return random.pick(addresses);
}

/// About now, as the hypervisor tells it in memory that nothing else writes to.
u64 about_now()
{
    abi::VcpuRunstateInfo info{};
    hypercall(HypercallNumber::vcpu_op, static_cast<u64>(VcpuCmd::get_runstate_info), 0, address_of(info));
    return info.state_entry_time + 1;
}

/// An event waits, so that a block does not.
void block(HypercallNumber number)
{
    shared_info().vcpu_info[0].evtchn_upcall_pending = 1;
    hypercall(number, static_cast<u64>(SchedCmd::block));
}

void sched_op(Random& random)
{
    const auto argument = [&](auto& careful) { return random.chance(50) ? address_of(careful) : bad_pointer(random); };
    const u64 wanted = operation(random, 9);
    u64 at = pointer(random);
    abi::SchedPoll poll{
        {pointer(random)}, static_cast<u32>(random.below(200)), about_now() + random.below(millisecond)};
    abi::SchedWatchdog watchdog{static_cast<u32>(random.below(4)), static_cast<u32>(1000 + random.below(1000))};
    if (watchdog.id != 0 && random.chance(50))
        watchdog.timeout = 0; // without a number that would be the end, at once
    abi::SchedShutdown poweroff{abi::ShutdownReason::poweroff};
    switch (static_cast<SchedCmd>(static_cast<u32>(wanted))) {
    case SchedCmd::block:
        return block(HypercallNumber::sched_op);
    case SchedCmd::poll:
        at = argument(poll);
        break;
    case SchedCmd::watchdog:
        at = argument(watchdog);
        break;
    case SchedCmd::shutdown_code: // the first one counts: this is how it means to end
        at = argument(poweroff);
        break;
    case SchedCmd::shutdown:
        at = bad_pointer(random);
        break;
    default:
        break;
    }
    hypercall(HypercallNumber::sched_op, wanted, at, word(random));
}

void sched_op_compat(Random& random)
{
    const u64 wanted = random.below(4);
    if (static_cast<SchedCmd>(wanted) == SchedCmd::block)
        return block(HypercallNumber::sched_op_compat);
    if (static_cast<SchedCmd>(wanted) != SchedCmd::shutdown)
        hypercall(HypercallNumber::sched_op_compat, wanted, word(random));
}

/// The second vCPU is never made right, so that none runs wild; the first stays up, and its vcpu_info where it is.
void vcpu_op(Random& random)
{
    const u64 wanted = operation(random, 15);
    const auto cmd = static_cast<VcpuCmd>(static_cast<u32>(wanted));
    u64 vcpu = random.chance(90) ? random.below(3) : word(random);
    if (static_cast<u32>(vcpu) == 0 && (cmd == VcpuCmd::down || cmd == VcpuCmd::register_vcpu_info))
        vcpu = 1;
    hypercall(HypercallNumber::vcpu_op, wanted, vcpu, pointer(random));
}

bool is_needed(u64 port)
{
    return port == start_info().console.domU.evtchn || port == start_info().store_evtchn;
}

void event_channel_op(Random& random)
{
    const u64 wanted = operation(random, 16);
    const auto cmd = static_cast<EvtchnCmd>(static_cast<u32>(wanted));
    u64 at = pointer(random);
    abi::EvtchnClose close{static_cast<abi::RawPort>(word(random))};
    if (is_needed(close.port))
        close.port = 0;
    constexpr abi::RawDomId others[] = {0, 1234, abi::domid_io, abi::domid_xen, abi::domid_invalid};
    abi::EvtchnReset reset{random.pick(others)};
    if (cmd == EvtchnCmd::close)
        at = random.chance(80) ? address_of(close) : bad_pointer(random);
    if (cmd == EvtchnCmd::reset || cmd == EvtchnCmd::reset_cont)
        at = random.chance(80) ? address_of(reset) : bad_pointer(random);
    hypercall(HypercallNumber::event_channel_op, wanted, at);
}

void event_channel_op_compat(Random& random)
{
    union {
        abi::EvtchnOpCompat op;
        u32 parts[sizeof(abi::EvtchnOpCompat) / sizeof(u32)];
    };
    for (u32& part : parts)
        part = static_cast<u32>(word(random));
    op.cmd = static_cast<EvtchnCmd>(random.below(12));
    if (op.cmd == EvtchnCmd::close && is_needed(op.u.close.port))
        op.u.close.port = 0;
    hypercall(HypercallNumber::event_channel_op_compat, random.chance(80) ? address_of(op) : bad_pointer(random));
}

/// Numbers that may be no hypercalls at all.
void odd_call(Random& random)
{
    const u64 number = random.chance(50) ? 38 + random.below(90) : random.word() | u64{1} << 32;
    const Words words = random_words(random);
    hypercall(number, words.a[0], words.a[1], words.a[2], words.a[3], words.a[4]);
}

// ---- All of them ---------------------------------------------------------------------------------------------------

constexpr void (*careful_calls[])(Random&) = {domctl,
                                              sysctl,
                                              platform_op,
                                              mmu_update,
                                              mmuext_op,
                                              update_va_mapping,
                                              multicall,
                                              update_va_mapping_otherdomain,
                                              trap_call,
                                              trap_call,
                                              iret,
                                              sched_op,
                                              vcpu_op,
                                              sched_op_compat,
                                              odd_call,
                                              event_channel_op,
                                              event_channel_op_compat};
constexpr u64 plain_count = sizeof plain_calls / sizeof plain_calls[0],
              all_count = plain_count + sizeof careful_calls / sizeof careful_calls[0];

void one_call(Random& random, u64 which)
{
    keep_arguments(playground);
    fill_arguments(random, playground);
    which < plain_count ? plain_call(random, plain_calls[which]) : careful_calls[which - plain_count](random);
}

/// The last of all: without ports nobody hears of it any more, so what it has printed must have been read.
void reset_own_ports(const abi::io::ConsoleInterface& console)
{
    const volatile u32 &read = console.out_cons, &written = console.out_prod;
    for (unsigned i = 0; i < 1000 && read != written; ++i) {
        abi::SchedPoll poll{{0}, 0, about_now() + 10 * millisecond};
        hypercall(HypercallNumber::sched_op, static_cast<u64>(SchedCmd::poll), address_of(poll));
    }
    abi::EvtchnReset reset{abi::domid_self};
    EXPECT(hypercall(HypercallNumber::event_channel_op, static_cast<u64>(EvtchnCmd::reset), address_of(reset)), 0);
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
    const auto& console = *address_of_pfn<abi::io::ConsoleInterface>(pfn_of_mfn(start_info().console.domU.mfn));
    const u64 seed = number_argument("seed=", wall_clock() | 1), count = number_argument("calls=", 5'000);
    print("seed={} calls={}\n", seed, count);
    playground.own_id = own_domain_id();
    if (!make_playground(playground)) {
        error("the guest's frames are too high for it");
        return finish_test();
    }
    for (unsigned i = 0; i < playground_pages; ++i)
        grant(abi::grant_nr_reserved_entries + i, playground.own_id, playground.pages + i * page_size,
              i % 4 == 3 ? abi::gtf_readonly : u16{0});
    set_trap_handler(vector_debug, pass_over);
    set_trap_handler(vector_nmi, pass_over);
    set_trap_handler(vector_failsafe, do_without);
    for (const u64 vector : {10, 11, 12, 13, 14, 17})
        set_trap_handler(vector, come_back);
    Random random(seed);
    u64 told = 0;
    for (u64 i = 0; i < count; ++i) {
        one_call(random, i < all_count ? i : random.below(all_count)); // each is made
        if (i * 10 / count != told)
            print("{} calls made\n", i), told = i * 10 / count;
    }
    EXPECT(hypercall(HypercallNumber::xen_version, 0), 4 << 16 | 17);
    finish_test();
    reset_own_ports(console);
}

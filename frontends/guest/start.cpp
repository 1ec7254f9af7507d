// From the first C++ line to the program, and the end.

#include "frontends/guest/guest.hpp"
#include "frontends/guest/internal.hpp"

#include "hypervisor/abi/version.hpp"

using Constructor = void (*)();
extern "C" const Constructor guest_constructors_start[], guest_constructors_end[];

namespace xylem::guest {
namespace {

abi::StartInfo* boot_start_info;
alignas(page_size) char shared_page_room[page_size];

}

abi::StartInfo& start_info()
{
    return *boot_start_info;
}
abi::SharedInfo& shared_info()
{
    return *reinterpret_cast<abi::SharedInfo*>(shared_page_room);
}
bool is_dom0()
{
    return start_info().flags & abi::sif_initdomain;
}

bool on_xylem()
{
    abi::Extraversion extra{};
    hypercall(abi::HypercallNumber::xen_version, static_cast<u64>(abi::VersionCmd::extraversion), address_of(extra));
    return extra.text[0] == '-' && extra.text[1] == 'x' && extra.text[2] == 'y';
}

bool find_argument(const char* name, char* out, size_t capacity)
{
    const auto* line = reinterpret_cast<const char*>(start_info().cmd_line);
    const size_t name_length = __builtin_strlen(name);
    const char* const end = line + abi::max_guest_cmdline;
    for (const char* word = line; word < end && *word;) {
        const char* word_end = word;
        while (word_end < end && *word_end && *word_end != ' ')
            ++word_end;
        const size_t length = static_cast<size_t>(word_end - word);
        if (length >= name_length && __builtin_memcmp(word, name, name_length) == 0) {
            if (length - name_length >= capacity)
                return false;
            __builtin_memcpy(out, word + name_length, length - name_length);
            out[length - name_length] = 0;
            return true;
        }
        word = word_end + (word_end < end && *word_end == ' ');
    }
    return false;
}

void shut_down(abi::ShutdownReason reason)
{
    abi::SchedShutdown request{reason};
    hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::shutdown), address_of(request));
    for (;;)
        hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::block));
}

extern "C" [[noreturn]] void guest_main(abi::StartInfo* info)
{
    boot_start_info = info;
    initialise_memory();
    initialise_traps();
    update_va_mapping(shared_page_room, info->shared_info | kernel_page);
    initialise_console();
    for (const Constructor* constructor = guest_constructors_start; constructor < guest_constructors_end; ++constructor)
        (*constructor)();
    xylem_main();
    // As dom0 the machine is ours: a reboot ends an emulator that was told not to reboot.
    shut_down(is_dom0() ? abi::ShutdownReason::reboot : abi::ShutdownReason::poweroff);
}

}

// A table of option names and their readers; words are separated by blanks.

#include "hypervisor/arch/x86_64/command_line.hpp"

#include <optional>

namespace xylem::arch {
namespace {

/// Takes the part of `text` before `separator` off its front.
std::string_view next_part(std::string_view& text, char separator)
{
    const size_t end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    return part;
}

std::optional<u64> number(std::string_view text)
{
    unsigned base = 10;
    if (text.starts_with("0x")) {
        base = 16;
        text.remove_prefix(2);
    }
    u64 value = 0;
    for (char c : text) {
        const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                               : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                               : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                      : 99;
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return {};
    }
    return text.empty() ? std::nullopt : std::optional(value);
}

/// Bytes, with Xen's suffixes; without one it counts KiB.
std::optional<u64> size_in_bytes(std::string_view text)
{
    unsigned shift = 10;
    if (!text.empty()) {
        const std::string_view suffixes = "bBkKmMgGtT";
        const size_t suffix = suffixes.find(text.back());
        if (suffix != suffixes.npos && !(text.starts_with("0x") && suffix < 2)) {
            shift = static_cast<unsigned>(suffix / 2 * 10);
            text.remove_suffix(1);
        }
    }
    const std::optional<u64> count = number(text);
    if (!count || *count >> (63 - shift))
        return {};
    return *count << shift;
}

std::optional<unsigned> percentage(std::string_view text)
{
    if (!text.ends_with('%'))
        return {};
    text.remove_suffix(1);
    const std::optional<u64> count = number(text);
    return count && *count < 100 ? std::optional(static_cast<unsigned>(*count)) : std::nullopt;
}

/// [-]SIZE, [-]N% or [-]SIZE+N%
std::optional<MemoryAmount> amount(std::string_view text)
{
    MemoryAmount result;
    result.given = true;
    if (text.starts_with('-')) {
        result.all_but = true;
        text.remove_prefix(1);
    }
    const size_t plus = text.find('+');
    const bool two = plus != text.npos;
    const std::string_view first = text.substr(0, plus), last = two ? text.substr(plus + 1) : text;
    if (two || !first.ends_with('%')) {
        const std::optional<u64> bytes = size_in_bytes(first);
        if (!bytes)
            return {};
        result.bytes = *bytes;
    }
    if (two || last.ends_with('%')) {
        const std::optional<unsigned> percent = percentage(last);
        if (!percent)
            return {};
        result.percent = *percent;
    }
    return result;
}

std::optional<bool> boolean(std::string_view text)
{
    for (std::string_view yes : {"", "1", "yes", "on", "true", "enable"})
        if (text == yes)
            return true;
    for (std::string_view no : {"0", "no", "off", "false", "disable"})
        if (text == no)
            return false;
    return {};
}

// Each reader returns null, or what it would have understood.

const char* read_console(std::string_view value, CommandLine& into)
{
    bool serial = false, vga = false;
    while (!value.empty()) {
        const std::string_view which = next_part(value, ',');
        if (which == "com1")
            serial = true;
        else if (which == "vga")
            vga = true;
        else if (which != "none")
            return "com1, vga or none, separated by commas";
    }
    into.console_serial = serial;
    into.console_vga = vga;
    return nullptr;
}

const char* read_com1(std::string_view value, CommandLine& into)
{
    static constexpr const char* expected = "BAUD[,DPS[,PORT[,IRQ]]], as in 115200,8n1";
    CommandLine wanted = into;
    const std::string_view baud = next_part(value, ','), format = next_part(value, ',');
    const std::string_view port = next_part(value, ','), irq = next_part(value, ',');
    if (baud != "auto" && !baud.empty()) {
        const std::optional<u64> rate = number(baud);
        if (!rate || *rate == 0 || 115200 % *rate != 0)
            return "a rate that divides 115200";
        wanted.serial_baud = static_cast<u32>(*rate);
    }
    if (!format.empty()) {
        if (format.size() != 3 || format[0] < '5' || format[0] > '8' || format[2] < '1' || format[2] > '2' ||
            std::string_view("neoms").find(format[1]) == std::string_view::npos)
            return expected;
        wanted.serial_data_bits = static_cast<u8>(format[0] - '0');
        wanted.serial_parity = format[1];
        wanted.serial_stop_bits = static_cast<u8>(format[2] - '0');
    }
    if (!port.empty()) {
        const std::optional<u64> base = number(port);
        if (!base || *base == 0 || *base > 0xfff8)
            return expected;
        wanted.serial_port = static_cast<u16>(*base);
    }
    if (!irq.empty()) {
        const std::optional<u64> line = number(irq);
        if (!line || *line > 15)
            return expected;
        wanted.serial_irq = static_cast<u8>(*line);
    }
    into = wanted;
    return nullptr;
}

const char* read_dom0_memory(std::string_view value, CommandLine& into)
{
    CommandLine wanted = into;
    while (!value.empty()) {
        std::string_view part = next_part(value, ',');
        MemoryAmount* which = &wanted.dom0_memory;
        if (part.starts_with("min:") || part.starts_with("max:")) {
            which = part.starts_with("min:") ? &wanted.dom0_memory_min : &wanted.dom0_memory_max;
            part.remove_prefix(4);
        }
        const std::optional<MemoryAmount> size = amount(part);
        if (!size)
            return "SIZE[,min:SIZE][,max:SIZE], as in 768M, 25% or 512M+10%";
        *which = *size;
    }
    into = wanted;
    return nullptr;
}

const char* read_dom0_vcpus(std::string_view value, CommandLine& into)
{
    // Xen also takes MIN-MAX: the maximum counts.
    const size_t dash = value.find('-');
    const std::optional<u64> count = number(dash == value.npos ? value : value.substr(dash + 1));
    if (!count || *count == 0 || *count > 64)
        return "a number from 1 to 64";
    into.dom0_max_vcpus = static_cast<unsigned>(*count);
    return nullptr;
}

std::optional<int> log_level(std::string_view value)
{
    // The rate-limited level behind the slash is not told apart.
    const std::string_view name = next_part(value, '/');
    static constexpr std::string_view names[] = {"none", "error", "warning", "info", "debug", "all"};
    for (int i = 0; i < 6; ++i)
        if (name == names[i])
            return i == 5 ? 3 : i - 1;
    return {};
}

static constexpr const char* log_levels = "none, error, warning, info, debug or all";

const char* read_log_level(std::string_view value, CommandLine& into)
{
    const std::optional<int> level = log_level(value);
    if (level)
        into.log_level = *level;
    return level ? nullptr : log_levels;
}

const char* read_guest_log_level(std::string_view value, CommandLine& into)
{
    const std::optional<int> level = log_level(value);
    if (level)
        into.guest_log_level = *level;
    return level ? nullptr : log_levels;
}

template <bool CommandLine::*Member> const char* read_flag(std::string_view value, CommandLine& into)
{
    const std::optional<bool> flag = boolean(value);
    if (flag)
        into.*Member = *flag;
    return flag ? nullptr : "yes or no";
}

struct Option {
    std::string_view name;
    const char* (*read)(std::string_view value, CommandLine& into);
};

constexpr Option table[] = {
    {"console", read_console},
    {"com1", read_com1},
    {"dom0_mem", read_dom0_memory},
    {"dom0_max_vcpus", read_dom0_vcpus},
    {"loglvl", read_log_level},
    {"guest_loglvl", read_guest_log_level},
    {"idle-scrub", read_flag<&CommandLine::idle_scrub>},
    {"noreboot", read_flag<&CommandLine::no_reboot>},
    {"smap", read_flag<&CommandLine::smap>},
    {"smep", read_flag<&CommandLine::smep>},
};

void read_word(std::string_view word, CommandLine& into, ComplainAbout complain)
{
    std::string_view value = word;
    std::string_view name = next_part(value, '=');
    for (const Option& option : table)
        if (option.name == name) {
            if (const char* expected = option.read(value, into))
                complain(word, expected);
            return;
        }
    // no-smap is smap=no.
    if (name.starts_with("no-") && value.empty())
        for (const Option& option : table)
            if (option.name == name.substr(3) && !option.read("no", into))
                return;
    complain(word, nullptr);
}

}

u64 MemoryAmount::pages(u64 available, u64 otherwise) const
{
    if (!given)
        return otherwise;
    const u64 wanted = (bytes >> page_shift) + available * percent / 100;
    if (all_but)
        return wanted < available ? available - wanted : 0;
    // Xen, too, takes a wish for nothing for no wish.
    return wanted == 0 ? otherwise : wanted;
}

void parse_command_line(std::string_view text, CommandLine& into, ComplainAbout complain)
{
    while (!text.empty())
        if (const std::string_view word = next_part(text, ' '); !word.empty())
            read_word(word, into, complain);
}

}

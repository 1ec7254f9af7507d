// Multiboot1 and Multiboot2 information structures, read into BootInfo.

#include "hypervisor/arch/x86_64/boot_info.hpp"

#include <string.h>

namespace xylem::arch {
namespace {

/// Low memory with its bounds: reads outside give zero.
struct View {
    const u8* memory;
    u64 limit;

    template <typename T> T read(u64 address) const
    {
        T value{};
        if (address <= limit && limit - address >= sizeof(T))
            memcpy(&value, memory + address, sizeof(T));
        return value;
    }
    template <size_t N> void read_text(u64 address, char (&into)[N]) const
    {
        size_t n = 0;
        while (n + 1 < N && address + n < limit && memory[address + n])
            into[n] = static_cast<char>(memory[address + n]), ++n;
        into[n] = 0;
    }
};

/// Removes the first word: some loaders put the file's name there.
void drop_first_word(char* text)
{
    const char* rest = text;
    while (*rest && *rest != ' ')
        ++rest;
    while (*rest == ' ')
        ++rest;
    while ((*text++ = *rest++)) {
    }
}

/// qemu -kernel begins each string with the file's name; GRUB 2 does not.
void drop_file_names(BootInfo& info)
{
    if (strcmp(info.loader, "qemu") != 0)
        return;
    drop_first_word(info.command_line);
    for (unsigned i = 0; i < info.module_count; ++i)
        drop_first_word(info.modules[i].arguments);
}

void add_memory(BootInfo& info, u64 start, u64 bytes, u32 type)
{
    if (info.memory_count < std::size(info.memory) && bytes)
        info.memory[info.memory_count++] = {start, bytes, type};
}

BootModule* add_module(BootInfo& info, u32 start, u32 end)
{
    if (info.module_count == std::size(info.modules) || end < start)
        return nullptr;
    BootModule& module = info.modules[info.module_count++];
    module.start = MachineAddress(start);
    module.bytes = end - start;
    return &module;
}

bool parse_multiboot1(u32 address, const View& view, BootInfo& info)
{
    const u32 flags = view.read<u32>(address);
    constexpr u32 has_command_line = 1U << 2, has_modules = 1U << 3, has_memory_map = 1U << 6,
                  has_loader_name = 1U << 9;
    if (!(flags & has_memory_map))
        return false;
    if (flags & has_command_line)
        view.read_text(view.read<u32>(address + 16), info.command_line);
    if (flags & has_loader_name)
        view.read_text(view.read<u32>(address + 64), info.loader);
    const u32 count = flags & has_modules ? view.read<u32>(address + 20) : 0;
    u64 entry = view.read<u32>(address + 24);
    for (u32 i = 0; i < count && i < std::size(info.modules); ++i, entry += 16)
        if (BootModule* module = add_module(info, view.read<u32>(entry), view.read<u32>(entry + 4)))
            view.read_text(view.read<u32>(entry + 8), module->arguments);
    u64 at = view.read<u32>(address + 48);
    const u64 end = at + view.read<u32>(address + 44);
    for (u32 size; at + 24 <= end && (size = view.read<u32>(at)) >= 20; at += size + 4)
        add_memory(info, view.read<u64>(at + 4), view.read<u64>(at + 12), view.read<u32>(at + 20));
    return true;
}

void parse_memory_map_tag(u64 tag, u32 bytes, const View& view, BootInfo& info)
{
    const u32 entry_bytes = view.read<u32>(tag + 8);
    if (entry_bytes < 20)
        return;
    for (u64 at = tag + 16; at + entry_bytes <= tag + bytes; at += entry_bytes)
        add_memory(info, view.read<u64>(at), view.read<u64>(at + 8), view.read<u32>(at + 16));
}

void parse_rsdp_tag(u64 tag, u32 bytes, const View& view, BootInfo& info)
{
    const unsigned length = bytes - 8 < sizeof info.rsdp ? bytes - 8 : sizeof info.rsdp;
    if (length < info.rsdp_bytes) // the later version holds more
        return;
    info.rsdp_bytes = length;
    for (unsigned i = 0; i < length; ++i)
        info.rsdp[i] = view.read<u8>(tag + 8 + i);
}

void parse_tag(u64 tag, u32 type, u32 bytes, const View& view, BootInfo& info)
{
    switch (type) {
    case 1:
        return view.read_text(tag + 8, info.command_line);
    case 2:
        return view.read_text(tag + 8, info.loader);
    case 3:
        if (BootModule* module = add_module(info, view.read<u32>(tag + 8), view.read<u32>(tag + 12)))
            view.read_text(tag + 16, module->arguments);
        return;
    case 6:
        return parse_memory_map_tag(tag, bytes, view, info);
    case 14:
    case 15:
        return parse_rsdp_tag(tag, bytes, view, info);
    }
}

bool parse_multiboot2(u32 address, const View& view, BootInfo& info)
{
    const u64 end = u64{address} + view.read<u32>(address);
    for (u64 tag = u64{address} + 8; tag + 8 <= end;) {
        const u32 type = view.read<u32>(tag), bytes = view.read<u32>(tag + 4);
        if (type == 0 || bytes < 8)
            break;
        parse_tag(tag, type, bytes, view, info);
        tag = (tag + bytes + 7) & ~u64{7};
    }
    return info.memory_count != 0;
}

}

bool parse_boot_information(u32 magic, u32 address, const u8* memory, u64 limit, BootInfo& info)
{
    const View view{memory, limit};
    if (magic == multiboot1_magic ? !parse_multiboot1(address, view, info)
                                  : magic != multiboot2_magic || !parse_multiboot2(address, view, info))
        return false;
    drop_file_names(info);
    return true;
}

bool find_rsdp(const u8* memory, BootInfo& info)
{
    if (info.rsdp_bytes)
        return true;
    u16 ebda = 0;
    memcpy(&ebda, memory + 0x40e, sizeof ebda);
    const u64 starts[] = {u64{ebda} << 4, 0xe0000};
    const u64 ends[] = {(u64{ebda} << 4) + 1024, 0x100000};
    for (unsigned area = 0; area < 2; ++area)
        for (u64 at = starts[area]; at + 36 <= ends[area] && ends[area] <= 0x100000; at += 16) {
            u8 sum = 0;
            for (unsigned i = 0; i < 20; ++i)
                sum = static_cast<u8>(sum + memory[at + i]);
            if (memcmp(memory + at, "RSD PTR ", 8) != 0 || sum != 0)
                continue;
            info.rsdp_bytes = memory[at + 15] >= 2 ? 36 : 20;
            memcpy(info.rsdp, memory + at, info.rsdp_bytes);
            return true;
        }
    return false;
}

}

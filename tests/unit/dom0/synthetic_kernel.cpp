// See synthetic_kernel.hpp.
#include "tests/unit/dom0/synthetic_kernel.hpp"

#include <cstring>
#include <elf.h>

namespace xylem::dom0::builder::test {

static void append(ByteVector& to, const ByteVector& what)
{
    to.insert(to.end(), what.begin(), what.end());
}

static ByteVector bytes_of_text(const std::string& text)
{
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

void SyntheticKernel::note(const std::string& owner, u32 type, const ByteVector& descriptor)
{
    const Elf64_Nhdr header{static_cast<Elf64_Word>(owner.size() + 1), static_cast<Elf64_Word>(descriptor.size()),
                            type};
    append(notes_, bytes_of(header));
    ByteVector name = bytes_of_text(owner);
    name.resize((owner.size() + 1 + 3) / 4 * 4);
    append(notes_, name);
    append(notes_, descriptor);
    notes_.resize((notes_.size() + 3) / 4 * 4);
}

SyntheticKernel& SyntheticKernel::number(abi::ElfNote type, u64 value)
{
    note("Xen", static_cast<u32>(type), bytes_of(value));
    return *this;
}

SyntheticKernel& SyntheticKernel::text(abi::ElfNote type, const std::string& value)
{
    ByteVector descriptor = bytes_of_text(value);
    descriptor.push_back(std::byte{0});
    note("Xen", static_cast<u32>(type), descriptor);
    return *this;
}

SyntheticKernel& SyntheticKernel::segment(u64 address, const std::string& content, u64 size)
{
    segments_.push_back({address, content, size});
    return *this;
}

ByteVector SyntheticKernel::file() const
{
    const u64 headers = segments_.size() + 1;
    u64 offset = sizeof(Elf64_Ehdr) + headers * sizeof(Elf64_Phdr);

    Elf64_Ehdr elf{};
    std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_machine = EM_X86_64;
    elf.e_phoff = sizeof elf;
    elf.e_phentsize = sizeof(Elf64_Phdr);
    elf.e_phnum = static_cast<Elf64_Half>(headers);

    ByteVector file = bytes_of(elf);
    ByteVector content = notes_;
    Elf64_Phdr notes{};
    notes.p_type = PT_NOTE;
    notes.p_offset = offset;
    notes.p_filesz = notes_.size();
    append(file, bytes_of(notes));
    offset += notes_.size();
    for (const SyntheticSegment& segment : segments_) {
        Elf64_Phdr header{};
        header.p_type = PT_LOAD;
        header.p_offset = offset;
        header.p_filesz = segment.content.size();
        header.p_paddr = segment.address;
        header.p_memsz = segment.size;
        append(file, bytes_of(header));
        append(content, bytes_of_text(segment.content));
        offset += segment.content.size();
    }
    append(file, content);
    return file;
}

SyntheticKernel linux_like()
{
    SyntheticKernel kernel;
    kernel.number(abi::ElfNote::virt_base, 0xFFFF'FFFF'8000'0000)
        .number(abi::ElfNote::paddr_offset, 0)
        .number(abi::ElfNote::entry, 0xFFFF'FFFF'8010'0040)
        .number(abi::ElfNote::init_p2m, 0x80'0000'0000)
        .number(abi::ElfNote::mod_start_pfn, 1)
        .text(abi::ElfNote::xen_version, "xen-3.0")
        .text(abi::ElfNote::guest_os, "linux")
        .segment(0x10'0000, "text of the kernel", 0x20'0000)
        .segment(0x30'0000, "data of the kernel", 0x10'0000);
    return kernel;
}

SyntheticKernel minios_like()
{
    SyntheticKernel kernel;
    kernel.number(abi::ElfNote::virt_base, 0)
        .number(abi::ElfNote::entry, 0)
        .number(abi::ElfNote::hypercall_page, 0x2000)
        .text(abi::ElfNote::loader, "generic")
        .text(abi::ElfNote::guest_os, "Mini-OS")
        .segment(0, "a small kernel", 0x8000);
    return kernel;
}

ByteVector bzimage(const ByteVector& payload, u32 unpacked_size)
{
    ByteVector file(2 * 512);
    const auto put = [&](std::size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
    put(0x1F1, u8{1}); // one sector of setup code behind the boot sector
    std::memcpy(file.data() + 0x202, "HdrS", 4);
    put(0x206, u16{0x020F});
    put(0x248, u32{0});
    put(0x24C, static_cast<u32>(payload.size() + sizeof unpacked_size));
    append(file, payload);
    append(file, bytes_of(unpacked_size));
    return file;
}

}

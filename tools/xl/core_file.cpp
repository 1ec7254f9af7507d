// See core_file.hpp.
#include "tools/xl/core_file.hpp"

#include "tools/xl/failure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

/// The notes' types, and what is in them.
enum class Note : u32 { none = 0x2000000, header = 0x2000001, xen_version = 0x2000002, format_version = 0x2000003 };

constexpr u64 magic_of_pv = 0xF00FEBED;
constexpr u64 format_version = 1; // 0.1

struct NoteHead {
    u32 name_bytes = sizeof name;
    u32 bytes;
    Note type;
    char name[4] = {'X', 'e', 'n', '\0'};
};

struct NoteHeader {
    u64 magic;
    u64 vcpus;
    u64 pages;
    u64 page_bytes;
};

/// The sections in their order. The null section stands before them, as ELF wants it.
enum Section { names, notes, prstatus, shared_info, pages, p2m, sections };

constexpr std::array<std::string_view, sections> section_names{".shstrtab",        ".note.Xen",  ".xen_prstatus",
                                                               ".xen_shared_info", ".xen_pages", ".xen_p2m"};

constexpr std::size_t headers_bytes = sizeof(Elf64_Ehdr) + (sections + 1) * sizeof(Elf64_Shdr);

template <typename T> std::span<const std::byte> bytes_of(const T& value)
{
    return std::as_bytes(std::span(&value, 1));
}

class Notes {
public:
    void add(Note type, std::span<const std::byte> content = {})
    {
        put(bytes_of(NoteHead{.bytes = static_cast<u32>(content.size()), .type = type}));
        put(content);
    }
    std::span<const std::byte> bytes() const { return bytes_; }

private:
    void put(std::span<const std::byte> data) { bytes_.insert(bytes_.end(), data.begin(), data.end()); }

    std::vector<std::byte> bytes_;
};

Notes notes_of(const CoreHead& head)
{
    Notes all;
    all.add(Note::none);
    all.add(Note::header, bytes_of(NoteHeader{magic_of_pv, head.vcpus.size(), head.frames.size(), page_size}));
    all.add(Note::xen_version, bytes_of(head.version));
    all.add(Note::format_version, bytes_of(format_version));
    return all;
}

/// The headers: where each section lies. One is placed behind the other; pages begin on a page of the file.
class Headers {
public:
    Headers()
    {
        std::memcpy(elf_.e_ident, ELFMAG, SELFMAG);
        elf_.e_ident[EI_CLASS] = ELFCLASS64;
        elf_.e_ident[EI_DATA] = ELFDATA2LSB;
        elf_.e_ident[EI_VERSION] = EV_CURRENT;
        elf_.e_ident[EI_OSABI] = ELFOSABI_SYSV;
        elf_.e_ident[EI_ABIVERSION] = EV_CURRENT;
        elf_.e_type = ET_CORE;
        elf_.e_machine = EM_X86_64;
        elf_.e_version = EV_CURRENT;
        elf_.e_shoff = sizeof elf_;
        elf_.e_ehsize = sizeof elf_;
        elf_.e_phentsize = sizeof(Elf64_Phdr);
        elf_.e_shentsize = sizeof(Elf64_Shdr);
        elf_.e_shnum = sections + 1;
        elf_.e_shstrndx = names + 1;
    }

    /// @return the section's offset
    u64 place(Section section, u32 type, u64 size, u64 alignment, u64 entry_size)
    {
        const u64 align = std::max<u64>(alignment, 1);
        const u64 offset = (end_ + align - 1) / align * align;
        Elf64_Shdr& header = sections_[section + 1];
        header.sh_name = static_cast<Elf64_Word>(names_.size());
        names_.append(section_names[section]).push_back('\0');
        header.sh_type = type;
        header.sh_offset = offset;
        header.sh_size = size;
        header.sh_addralign = alignment;
        header.sh_entsize = entry_size;
        end_ = offset + size;
        return offset;
    }

    /// The names' own section, the last to be placed.
    u64 place_names() { return place(names, SHT_STRTAB, names_.size() + section_names[names].size() + 1, 0, 0); }

    std::span<const std::byte> names_bytes() const { return std::as_bytes(std::span(names_)); }

    std::array<std::byte, headers_bytes> bytes() const
    {
        std::array<std::byte, headers_bytes> all;
        std::memcpy(all.data(), &elf_, sizeof elf_);
        std::memcpy(all.data() + sizeof elf_, sections_.data(), sizeof sections_);
        return all;
    }

private:
    Elf64_Ehdr elf_{};
    std::array<Elf64_Shdr, sections + 1> sections_{};
    std::string names_ = std::string(1, '\0');
    u64 end_ = headers_bytes;
};

bool is_zero(std::span<const std::byte> page)
{
    static constexpr std::array<std::byte, page_size> zeros{};
    return std::memcmp(page.data(), zeros.data(), page_size) == 0;
}

}

CoreFile::CoreFile(std::string path, const CoreHead& head) : path_(std::move(path)), beside_(path_ + ".partial")
{
    struct stat about {};
    if (stat(path_.c_str(), &about) == 0 && !S_ISREG(about.st_mode))
        fail("cannot write a core to '{}': it is no file", path_);
    file_ = dom0::Fd(open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file_)
        give_up(errno);

    using Context = abi::VcpuGuestContext;
    const Notes all_notes = notes_of(head);
    const auto contexts = std::as_bytes(std::span(head.vcpus));
    const auto table = std::as_bytes(std::span(head.frames));
    Headers headers;
    const u64 at_notes = headers.place(notes, SHT_NOTE, all_notes.bytes().size(), 0, 0);
    const u64 at_prstatus = headers.place(prstatus, SHT_PROGBITS, contexts.size(), alignof(Context), sizeof(Context));
    const u64 at_shared_info = headers.place(shared_info, SHT_PROGBITS, page_size, alignof(u64), page_size);
    next_page_ = headers.place(pages, SHT_PROGBITS, head.frames.size() * page_size, page_size, page_size);
    pages_end_ = next_page_ + head.frames.size() * page_size;
    const u64 at_p2m = headers.place(p2m, SHT_PROGBITS, table.size(), alignof(CoreFrame), sizeof(CoreFrame));
    const u64 at_names = headers.place_names();
    try {
        write(0, headers.bytes());
        write(at_notes, all_notes.bytes());
        write(at_prstatus, contexts);
        write(at_shared_info, head.shared_info);
        write(at_p2m, table);
        write(at_names, headers.names_bytes());
    } catch (const Failure&) {
        unlink(beside_.c_str()); // there will be no destructor
        throw;
    }
}

CoreFile::~CoreFile()
{
    if (file_)
        unlink(beside_.c_str());
}

void CoreFile::give_up(int error) const
{
    fail("cannot write the core '{}': {}", path_, std::strerror(error));
}

void CoreFile::write(u64 offset, std::span<const std::byte> data)
{
    while (!data.empty()) {
        const ssize_t written = pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(offset));
        if (written < 0 && errno != EINTR)
            give_up(errno);
        if (written > 0) {
            offset += static_cast<u64>(written);
            data = data.subspan(static_cast<std::size_t>(written));
        }
    }
}

/// Runs of pages that are not all zeros are written in one piece; what is skipped stays a hole.
void CoreFile::append(std::span<const std::byte> content)
{
    const std::size_t count = content.size() / page_size;
    const auto page = [&](std::size_t i) { return content.subspan(i * page_size, page_size); };
    for (std::size_t i = 0; i < count;) {
        std::size_t end = i;
        while (end < count && !is_zero(page(end)))
            ++end;
        write(next_page_ + i * page_size, content.subspan(i * page_size, (end - i) * page_size));
        i = end + 1;
    }
    next_page_ += count * page_size;
}

void CoreFile::finish()
{
    if (next_page_ != pages_end_)
        fail("the core '{}' lacks {} pages", path_, (pages_end_ - next_page_) / page_size);
    if (fsync(file_.get()) < 0 || rename(beside_.c_str(), path_.c_str()) < 0)
        give_up(errno);
    file_ = dom0::Fd();
}

}

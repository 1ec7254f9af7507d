// The file of a core, read back as Xen's dump-core format says (docs/misc/dump-core-format.txt there), and what becomes
// of one that is not finished.
#include "tools/xl/core_file.hpp"
#include "tools/xl/failure.hpp"

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <sys/stat.h>

namespace xylem::xl::test {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t pages = 300;
constexpr std::size_t written_page = 123;

class CoreFileTest : public testing::Test {
public:
    CoreFileTest()
    {
        std::string name = (fs::temp_directory_path() / "xl-core.XXXXXX").string();
        folder_ = mkdtemp(name.data());
        head_.version.major = 4;
        head_.version.minor = 17;
        std::strcpy(head_.version.extra.text, ".7");
        head_.version.page_size = page_size;
        head_.vcpus.resize(2);
        head_.vcpus[1].user_regs.rip = 0x1234;
        head_.shared_info[7] = std::byte{7};
        for (u64 pfn = 0; pfn < pages; ++pfn)
            head_.frames.push_back({pfn, 5000 - pfn});
    }
    ~CoreFileTest() override { fs::remove_all(folder_); }

    std::string path() const { return (folder_ / "core").string(); }
    std::vector<std::string> files() const
    {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_))
            names.push_back(entry.path().filename());
        return names;
    }
    /// Zeros, but for one page.
    std::vector<std::byte> memory() const
    {
        std::vector<std::byte> all(pages * page_size);
        std::strcpy(reinterpret_cast<char*>(&all[written_page * page_size + 17]), "needle");
        return all;
    }
    void write_whole()
    {
        CoreFile file(path(), head_);
        const std::vector<std::byte> all = memory();
        file.append(std::span(all).first(100 * page_size));
        file.append(std::span(all).subspan(100 * page_size));
        file.finish();
    }

    fs::path folder_;
    CoreHead head_;
};

/// The sections by name, and their headers.
struct Core {
    explicit Core(const std::string& path)
    {
        std::ifstream file(path, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(file), {});
        std::memcpy(&header, bytes.data(), sizeof header);
        for (unsigned i = 0; i < header.e_shnum; ++i) {
            Elf64_Shdr section;
            std::memcpy(&section, &bytes.at(header.e_shoff + i * sizeof section), sizeof section);
            all.push_back(section);
        }
        const Elf64_Shdr& names = all.at(header.e_shstrndx);
        for (const Elf64_Shdr& section : all)
            sections[bytes.c_str() + names.sh_offset + section.sh_name] = section;
    }
    std::string content(const std::string& name) const
    {
        const Elf64_Shdr& section = sections.at(name);
        EXPECT_LE(section.sh_offset + section.sh_size, bytes.size());
        return bytes.substr(section.sh_offset, section.sh_size);
    }
    template <typename T> T at(const std::string& name, std::size_t offset) const
    {
        const std::string all_of_it = content(name);
        T value;
        EXPECT_LE(offset + sizeof value, all_of_it.size());
        std::memcpy(&value, all_of_it.data() + offset, sizeof value);
        return value;
    }

    std::string bytes;
    Elf64_Ehdr header;
    std::vector<Elf64_Shdr> all;
    std::map<std::string, Elf64_Shdr> sections;
};

}

TEST_F(CoreFileTest, HasTheSectionsOfXensFormat)
{
    write_whole();
    const Core core(path());
    EXPECT_EQ(core.bytes.substr(0, 4), ELFMAG);
    EXPECT_EQ(core.header.e_type, ET_CORE);
    EXPECT_EQ(core.header.e_machine, EM_X86_64);
    EXPECT_EQ(core.header.e_phnum, 0);
    EXPECT_EQ(core.sections.size(), 7U); // the null section's name is empty
    EXPECT_EQ(core.sections.at(".note.Xen").sh_type, SHT_NOTE);
    EXPECT_EQ(core.sections.at(".xen_prstatus").sh_entsize, sizeof(abi::VcpuGuestContext));
    EXPECT_EQ(core.sections.at(".xen_prstatus").sh_size, 2 * sizeof(abi::VcpuGuestContext));
    EXPECT_EQ(core.sections.at(".xen_shared_info").sh_size, page_size);
    EXPECT_EQ(core.sections.at(".xen_pages").sh_offset % page_size, 0U);
    EXPECT_EQ(core.sections.at(".xen_pages").sh_size, pages * page_size);
    EXPECT_EQ(core.sections.at(".xen_p2m").sh_entsize, 16U);
}

TEST_F(CoreFileTest, NotesTellOfTheDomainAndTheHypervisor)
{
    write_whole();
    const Core core(path());
    std::vector<u32> types;
    std::map<u32, std::size_t> contents;
    for (std::size_t at = 0; at < core.sections.at(".note.Xen").sh_size;) {
        EXPECT_EQ(core.at<u32>(".note.Xen", at), 4U);
        EXPECT_EQ(core.content(".note.Xen").substr(at + 12, 4), std::string("Xen\0", 4));
        types.push_back(core.at<u32>(".note.Xen", at + 8));
        contents[types.back()] = at + 16;
        at += 16 + core.at<u32>(".note.Xen", at + 4);
    }
    EXPECT_THAT(types, ElementsAre(0x2000000, 0x2000001, 0x2000002, 0x2000003));
    const std::size_t header = contents[0x2000001];
    EXPECT_EQ(core.at<u64>(".note.Xen", header), 0xF00FEBEDU);
    EXPECT_EQ(core.at<u64>(".note.Xen", header + 8), 2U);
    EXPECT_EQ(core.at<u64>(".note.Xen", header + 16), pages);
    EXPECT_EQ(core.at<u64>(".note.Xen", header + 24), page_size);
    EXPECT_EQ(core.at<u64>(".note.Xen", contents[0x2000002]), 4U);
    EXPECT_EQ(core.at<u64>(".note.Xen", contents[0x2000002] + 8), 17U);
    EXPECT_EQ(core.at<u64>(".note.Xen", contents[0x2000003]), 1U);
    EXPECT_EQ(contents[0x2000003] - contents[0x2000002] - 16, 1280U); // as xc_core.h has it
}

TEST_F(CoreFileTest, EachPageIsWhereTheP2mSays)
{
    write_whole();
    const Core core(path());
    EXPECT_EQ(core.at<u64>(".xen_p2m", written_page * 16), written_page);
    EXPECT_EQ(core.at<u64>(".xen_p2m", written_page * 16 + 8), 5000 - written_page);
    EXPECT_EQ(core.content(".xen_pages").find("needle"), written_page * page_size + 17);
    EXPECT_EQ(core.content(".xen_shared_info")[7], '\7');
    EXPECT_EQ(core.at<abi::VcpuGuestContext>(".xen_prstatus", sizeof(abi::VcpuGuestContext)).user_regs.rip, 0x1234U);
}

TEST_F(CoreFileTest, PagesOfZerosTakeNoRoom)
{
    write_whole();
    struct stat about {};
    ASSERT_EQ(stat(path().c_str(), &about), 0);
    EXPECT_GT(about.st_size, static_cast<off_t>(pages * page_size));
    EXPECT_LT(about.st_blocks * 512, static_cast<off_t>(pages * page_size / 4));
    EXPECT_EQ(about.st_mode & 0777, 0600U);
}

TEST_F(CoreFileTest, UnfinishedCoreLeavesWhatStoodThere)
{
    std::ofstream(path()) << "older";
    {
        CoreFile file(path(), head_);
        file.append(memory());
    }
    EXPECT_THAT(files(), ElementsAre("core"));
    EXPECT_EQ(fs::file_size(path()), 5U);
    {
        CoreFile file(path(), head_);
        EXPECT_THROW(file.finish(), Failure); // its pages are missing
    }
    EXPECT_THAT(files(), ElementsAre("core"));
}

TEST_F(CoreFileTest, PlacesThatTakeNoCoreAreNamed)
{
    const auto complaint = [&](const std::string& where) {
        try {
            const CoreFile file(where, head_);
        } catch (const Failure& failure) {
            return std::string(failure.what());
        }
        return std::string();
    };
    EXPECT_THAT(complaint("/dev/null"), HasSubstr("'/dev/null': it is no file"));
    EXPECT_THAT(complaint(path() + "/no/core"), HasSubstr("No such file or directory"));
    EXPECT_THAT(complaint("/dev/full/core"), HasSubstr("Not a directory"));
}

}

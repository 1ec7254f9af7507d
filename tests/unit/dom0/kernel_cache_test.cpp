// Unpacked kernels that are kept: found for the file they came from and for no other, whole or not at all.
#include "dom0/builder/error.hpp"
#include "dom0/builder/kernel_cache.hpp"
#include "tests/unit/dom0/synthetic_kernel.hpp"

#include <algorithm>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace xylem::dom0::builder::test {

namespace fs = std::filesystem;

namespace {

/// A gzip file by zlib's file interface.
void write_packed(const fs::path& path, const ByteVector& data)
{
    const gzFile file = gzopen(path.c_str(), "wb1");
    EXPECT_EQ(gzwrite(file, data.data(), static_cast<unsigned>(data.size())), static_cast<int>(data.size()));
    EXPECT_EQ(gzclose(file), Z_OK);
}

void write_file(const fs::path& path, std::string_view text)
{
    std::ofstream(path, std::ios::binary) << text;
}

class KernelCacheTest : public testing::Test {
protected:
    KernelCacheTest() : cache_(folder_ / "made/kernels") { write_packed(packed_, linux_like().file()); }
    ~KernelCacheTest() override { fs::remove_all(folder_); }

    static fs::path make_folder()
    {
        std::string name = fs::temp_directory_path() / "xylem-kernels.XXXXXX";
        return mkdtemp(name.data());
    }
    std::vector<fs::path> kept() const
    {
        std::vector<fs::path> files;
        for (const fs::directory_entry& entry : fs::directory_iterator(kernels_))
            files.push_back(entry.path());
        return files;
    }
    bool is_kept(const fs::path& file) const { return cache_.find(MappedFile(file)) != nullptr; }

    fs::path folder_ = make_folder();
    fs::path packed_ = folder_ / "vmlinuz";
    fs::path kernels_ = folder_ / "made/kernels";
    KernelCache cache_;
};

}

TEST_F(KernelCacheTest, ASecondReadingDoesNotUnpack)
{
    const KernelFile first(packed_, cache_);
    EXPECT_FALSE(first.kernel().unpacked.empty());
    ASSERT_EQ(kept().size(), 1U);
    EXPECT_EQ(fs::status(kernels_).permissions(), fs::perms::owner_all);

    const KernelFile second(packed_, cache_);
    EXPECT_TRUE(second.kernel().unpacked.empty());
    ASSERT_EQ(second.kernel().segments.size(), first.kernel().segments.size());
    for (std::size_t i = 0; i < first.kernel().segments.size(); ++i)
        EXPECT_TRUE(
            std::ranges::equal(first.kernel().segments[i].file.bytes(), second.kernel().segments[i].file.bytes()));
    EXPECT_EQ(second.kernel().notes.entry, first.kernel().notes.entry);
}

TEST_F(KernelCacheTest, AFileThatIsNotPackedIsNotKept)
{
    const ByteVector plain = linux_like().file();
    write_file(packed_, {reinterpret_cast<const char*>(plain.data()), plain.size()});
    const KernelFile kernel(packed_, cache_);
    EXPECT_FALSE(fs::exists(kernels_));
}

TEST_F(KernelCacheTest, AChangedFileIsUnpackedAnew)
{
    const KernelFile before(packed_, cache_);
    write_packed(packed_, minios_like().file());
    const KernelFile after(packed_, cache_);
    EXPECT_FALSE(after.kernel().unpacked.empty());
    EXPECT_NE(after.kernel().notes.virt_base, before.kernel().notes.virt_base);
}

TEST_F(KernelCacheTest, ACorruptFileIsRefusedAndNotKept)
{
    write_file(packed_, "\x1f\x8b\x08 no deflate stream follows");
    EXPECT_THROW(KernelFile(packed_, cache_), BuildError);
    EXPECT_FALSE(fs::exists(kernels_));
}

TEST_F(KernelCacheTest, WhatIsKeptAndNoKernelIsReplaced)
{
    const KernelFile first(packed_, cache_);
    write_file(kept().at(0), "rubbish");
    const KernelFile second(packed_, cache_);
    EXPECT_FALSE(second.kernel().unpacked.empty());
    EXPECT_TRUE(KernelFile(packed_, cache_).kernel().unpacked.empty());
}

TEST_F(KernelCacheTest, AFolderThatOthersMayWriteToIsNotUsed)
{
    const KernelFile first(packed_, cache_);
    fs::permissions(kernels_, fs::perms::group_write, fs::perm_options::add);
    EXPECT_FALSE(is_kept(packed_));
    EXPECT_FALSE(KernelFile(packed_, cache_).kernel().unpacked.empty());
}

TEST_F(KernelCacheTest, AFolderThatIsALinkIsNotUsed)
{
    const KernelFile first(packed_, cache_);
    fs::rename(kernels_, folder_ / "elsewhere");
    fs::create_directory_symlink(folder_ / "elsewhere", kernels_);
    EXPECT_FALSE(is_kept(packed_));
}

TEST_F(KernelCacheTest, TheLongestUnusedMakesWay)
{
    std::vector<fs::path> files;
    for (std::size_t i = 0; i <= KernelCache::capacity; ++i) {
        files.push_back(folder_ / std::to_string(i));
        write_packed(files.back(), linux_like().file());
    }
    const KernelCache cache(kernels_);
    for (std::size_t i = 0; i < KernelCache::capacity; ++i) {
        const KernelFile kernel(files[i], cache);
        usleep(20'000); // times of files tick
    }
    EXPECT_TRUE(is_kept(files[0])); // and used by this
    usleep(20'000);
    const KernelFile last(files.back(), cache);
    EXPECT_TRUE(is_kept(files[0]));
    EXPECT_FALSE(is_kept(files[1]));
    EXPECT_TRUE(is_kept(files.back()));
    EXPECT_EQ(kept().size(), KernelCache::capacity);
}

TEST_F(KernelCacheTest, WhatAKilledProgramLeftIsRemoved)
{
    fs::create_directories(kernels_);
    fs::permissions(kernels_, fs::perms::owner_all);
    write_file(kernels_ / "1-2-3-4.5-6.7.elf.aBcDeF", "half");
    const KernelFile kernel(packed_, cache_);
    ASSERT_EQ(kept().size(), 1U);
    EXPECT_EQ(kept()[0].extension(), ".elf");
}

}

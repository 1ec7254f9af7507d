// Raw files as disks: data through io_uring and through memory, errors in a sentence, one writer at a time.
#include "backends/block/file_disk.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xylem::backends::block {

struct Job : DiskJob {
    void done(int error) override { result = error; }
    int result = -1;
};

/// Parameterised by the folder: a file on a disk goes through io_uring, one on tmpfs by plain calls.
struct FileDiskTest : testing::TestWithParam<const char*> {
    FileDiskTest() : path(std::string(GetParam()) + "/xylem-file-disk-test-" + std::to_string(getpid())) {}
    ~FileDiskTest() override { std::filesystem::remove(path); }
    void create(u64 bytes)
    {
        std::ofstream(path).put('x');
        std::filesystem::resize_file(path, bytes);
    }
    int run(FileDisk& disk, DiskJob::Kind kind, u64 offset, u64 bytes)
    {
        job.kind = kind;
        job.offset = offset;
        job.bytes = bytes;
        job.result = -1;
        job.vectors = {{buffer, bytes}};
        if (bytes > page_size) // in two pieces
            job.vectors = {{buffer, page_size}, {buffer + page_size, bytes - page_size}};
        disk.submit(job);
        for (int i = 0; i < 1000 && job.result < 0; ++i)
            loop.turn(std::chrono::milliseconds(10));
        return job.result;
    }
    std::string failure(Access access)
    {
        try {
            FileDisk disk(io, path, access);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "";
    }

    std::string path;
    EventLoop loop;
    AsyncIo io{loop};
    alignas(page_size) std::byte buffer[4 * page_size];
    Job job;
};

INSTANTIATE_TEST_SUITE_P(Folders, FileDiskTest, testing::Values("/var/tmp", "/dev/shm"),
                         [](const auto& folder) { return std::string(folder.index ? "memory" : "disk"); });

TEST_P(FileDiskTest, WhatIsWrittenIsReadBack)
{
    create(1 << 20);
    FileDisk disk(io, path, Access::read_write);
    EXPECT_EQ(disk.geometry().sectors(), 2048u);
    std::fill_n(buffer, sizeof buffer, std::byte{0x33});
    EXPECT_EQ(run(disk, DiskJob::Kind::write, 512, 3 * page_size), 0);
    EXPECT_EQ(run(disk, DiskJob::Kind::flush, 0, 0), 0);
    std::fill_n(buffer, sizeof buffer, std::byte{0});
    EXPECT_EQ(run(disk, DiskJob::Kind::read, 512, 3 * page_size), 0);
    EXPECT_EQ(buffer[3 * page_size - 1], std::byte{0x33});
    EXPECT_EQ(run(disk, DiskJob::Kind::read, 0, 512), 0);
    EXPECT_EQ(buffer[511], std::byte{0});
}

TEST_P(FileDiskTest, MoreOperationsThanTheKernelQueuesAllEnd)
{
    create(1 << 20);
    FileDisk disk(io, path, Access::read_write);
    std::vector<Job> jobs(3000);
    for (Job& each : jobs) {
        each.kind = DiskJob::Kind::read;
        each.bytes = 512;
        each.vectors = {{buffer, 512}};
        disk.submit(each);
    }
    const auto ended = [&] {
        return std::count_if(jobs.begin(), jobs.end(), [](const Job& each) { return each.result == 0; });
    };
    for (int i = 0; i < 1000 && ended() < 3000; ++i)
        loop.turn(std::chrono::milliseconds(10));
    EXPECT_EQ(ended(), 3000);
}

TEST_P(FileDiskTest, ADiscardedRangeReadsAsZeros)
{
    create(1 << 20);
    FileDisk disk(io, path, Access::read_write);
    std::fill_n(buffer, sizeof buffer, std::byte{0x33});
    EXPECT_EQ(run(disk, DiskJob::Kind::write, 0, 2 * page_size), 0);
    EXPECT_EQ(run(disk, DiskJob::Kind::discard, 0, page_size), 0);
    EXPECT_EQ(run(disk, DiskJob::Kind::read, 0, 2 * page_size), 0);
    EXPECT_EQ(buffer[0], std::byte{0});
    EXPECT_EQ(buffer[page_size], std::byte{0x33});
}

TEST_P(FileDiskTest, AFileCutShortGivesAnError)
{
    create(1 << 20);
    FileDisk disk(io, path, Access::read_write);
    std::filesystem::resize_file(path, 4096);
    EXPECT_NE(run(disk, DiskJob::Kind::read, 512 * 1024, page_size), 0);
}

TEST_P(FileDiskTest, AMissingFileIsNamedInASentence)
{
    EXPECT_EQ(failure(Access::read_write), "disk " + path + ": cannot open it for writing: No such file or directory");
}

TEST_P(FileDiskTest, AnEmptyFileIsNoDisk)
{
    create(0);
    EXPECT_EQ(failure(Access::read_write), "disk " + path + ": is empty: a disk has at least one sector of 512 bytes");
}

TEST_P(FileDiskTest, AFolderOrPipeIsNoDisk)
{
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(failure(Access::read_write), "disk " + path + ": is neither a file nor a block device");
}

TEST_P(FileDiskTest, ADiskHasOneWriterAtATime)
{
    create(4096);
    FileDisk first(io, path, Access::read_write);
    EXPECT_THROW(FileDisk(io, path, Access::read_write), DiskBusy);
    EXPECT_THROW(FileDisk(io, path, Access::read_only), DiskBusy);
}

TEST_P(FileDiskTest, ReadersShareADisk)
{
    create(4096);
    FileDisk first(io, path, Access::read_only);
    FileDisk second(io, path, Access::read_only);
    EXPECT_EQ(run(second, DiskJob::Kind::read, 0, 4096), 0);
}

}

// See qcow2_tool.hpp.
#include "tests/unit/backends/qcow2_tool.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::backends::block::test {

Folder::Folder(const std::string& where)
{
    static int count = 0;
    path_ = where + "/xylem-qcow2-" + std::to_string(getpid()) + "-" + std::to_string(count++);
    std::filesystem::create_directory(path_);
}

Folder::~Folder()
{
    std::filesystem::remove_all(path_);
}

int run(const std::string& command, std::string* output)
{
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    char buffer[4096];
    std::string said;
    while (const std::size_t bytes = fread(buffer, 1, sizeof buffer, pipe))
        said.append(buffer, bytes);
    const int status = pclose(pipe);
    if (output)
        *output = said;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void must(const std::string& command)
{
    std::string said;
    ASSERT_EQ(run(command, &said), 0) << command << "\n" << said;
}

void write_file(const std::string& path, const Bytes& bytes)
{
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Bytes read_file(const std::string& path)
{
    Bytes bytes(std::filesystem::file_size(path));
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

Bytes qemu_reads(const std::string& image, const Folder& folder)
{
    must("qemu-img convert -f qcow2 -O raw " + image + " " + (folder / "as-raw"));
    return read_file(folder / "as-raw");
}

Bytes some_data(std::size_t bytes, u32 seed)
{
    std::mt19937 random(seed);
    Bytes data(bytes);
    for (std::size_t at = 0; at < bytes;) {
        const std::size_t run = std::min<std::size_t>(bytes - at, 512 * (1 + random() % 200));
        const u32 kind = random() % 3;
        for (std::size_t i = 0; i < run && kind != 0; ++i)
            data[at + i] = static_cast<std::byte>(kind == 1 ? random() % 4 : i / 7);
        at += run;
    }
    return data;
}

int perform(EventLoop& loop, Disk& disk, DiskJob::Kind kind, u64 offset, std::span<std::byte> data, u64 bytes)
{
    struct Job : DiskJob {
        void done(int error) override { result = error; }
        int result = -1;
    } job;
    job.kind = kind;
    job.offset = offset;
    job.bytes = data.empty() ? bytes : data.size();
    // As a guest's come: in pieces of pages.
    for (std::size_t at = 0; at < data.size(); at += page_size)
        job.vectors.push_back({data.data() + at, std::min<std::size_t>(page_size, data.size() - at)});
    disk.submit(job);
    for (int i = 0; i < 10000 && job.result < 0; ++i)
        loop.turn(std::chrono::milliseconds(10));
    return job.result;
}

SyncDisk::SyncDisk(const std::string& params, Access access) : io_(std::make_unique<AsyncIo>(loop_))
{
    disk_ = open_disk(loop_, *io_, params, access).disk;
}

Bytes SyncDisk::read_all()
{
    static constexpr std::size_t step = 512 << 10;
    struct Free {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    const std::unique_ptr<std::byte, Free> buffer(static_cast<std::byte*>(std::aligned_alloc(page_size, step)));
    Bytes all;
    for (u64 at = 0; at < bytes(); at += step) {
        const std::size_t length = std::min<u64>(step, bytes() - at);
        EXPECT_EQ(read(at, {buffer.get(), length}), 0) << "at " << at;
        all.insert(all.end(), buffer.get(), buffer.get() + length);
    }
    return all;
}

}

// Writing to descriptors that take little at a time.
#include "dom0/lib/fd.hpp"

#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace xylem::dom0 {

struct Pipe {
    Pipe()
    {
        int ends[2];
        EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        reader = Fd(ends[0]);
        writer = Fd(ends[1]);
    }
    Fd reader, writer;
};

TEST(WriteAll, WaitsForAReaderThatIsSlow)
{
    Pipe pipe;
    const std::vector<std::byte> data(1 << 20, std::byte{7});
    std::size_t arrived = 0;
    std::thread reader([&] {
        std::vector<std::byte> some(10000);
        while (arrived < data.size())
            if (const ssize_t bytes = read(pipe.reader.get(), some.data(), some.size()); bytes > 0)
                arrived += static_cast<std::size_t>(bytes);
            else
                std::this_thread::yield();
    });
    EXPECT_TRUE(write_all(pipe.writer.get(), data));
    reader.join();
    EXPECT_EQ(arrived, data.size());
}

TEST(WriteAll, SaysWhenNobodyReads)
{
    signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    pipe.reader = Fd();
    EXPECT_FALSE(write_all(pipe.writer.get(), std::vector<std::byte>(1)));
    EXPECT_EQ(errno, EPIPE);
    EXPECT_TRUE(write_all(pipe.writer.get(), {}));
}

}

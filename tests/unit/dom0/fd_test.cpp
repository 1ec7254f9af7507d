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

TEST(FillRandomly, FillsAll)
{
    constexpr std::size_t longer_than_one_answer_must_be = 1000;
    std::vector<std::byte> a(longer_than_one_answer_must_be), b(a);
    fill_randomly(a);
    fill_randomly(b);
    EXPECT_NE(a, b);
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    EXPECT_FALSE(std::all_of(a.end() - 16, a.end(), is_zero)) << "the end stayed as it was";
    fill_randomly({});
}

}

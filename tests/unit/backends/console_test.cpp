// The console: its ring with hostile indices, output that nobody reads, input that finds no room, floods.
#include "backends/console/guest.hpp"
#include "backends/console/pty.hpp"
#include "tests/unit/backends/fake_peer.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sstream>
#include <unistd.h>

namespace xylem::backends::console {

struct ConsoleSignal : PeerSignal {
    void notify() override { ++notified; }
    void unmask() override { ++unmasked; }
    unsigned notified = 0;
    unsigned unmasked = 0;
};

struct ConsoleTest : testing::Test {
    ConsoleTest()
    {
        page().out_prod = page().out_cons = 0xfffffff0; // about to wrap
        page().in_prod = page().in_cons = 0xfffffff8;
    }
    ~ConsoleTest() override
    {
        std::filesystem::remove(log_path);
        std::filesystem::remove(log_path + ".1");
    }

    ConsoleRing::Page& page() { return *reinterpret_cast<ConsoleRing::Page*>(memory); }
    void start(std::size_t limit = 64 << 10)
    {
        guest.reset();
        pty = std::make_unique<Pty>(loop, limit);
        guest = std::make_unique<Guest>(
            GuestParts{loop, memory, *pty, log_path, log_limit, "domain 1", [this](const char*) { broken = true; }});
        auto owned = std::make_unique<ConsoleSignal>();
        signal = owned.get();
        guest->set_signal(std::move(owned));
        terminal = dom0::open_device(pty->path().c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK);
    }
    void print(const std::string& text)
    {
        for (const char letter : text)
            page().out[page().out_prod++ % sizeof(ConsoleRing::Page::out)] = letter;
    }
    std::string typed()
    {
        std::string text;
        while (page().in_cons != page().in_prod)
            text.push_back(page().in[page().in_cons++ % sizeof(ConsoleRing::Page::in)]);
        return text;
    }
    void turn() { loop.turn(std::chrono::milliseconds(20)); }
    std::string shown()
    {
        std::string text;
        char buffer[4096];
        for (ssize_t bytes = 0; (bytes = read(terminal.get(), buffer, sizeof buffer)) > 0; turn())
            text.append(buffer, static_cast<std::size_t>(bytes));
        return text;
    }
    std::string logged() const
    {
        std::ostringstream text;
        text << std::ifstream(log_path).rdbuf();
        return text.str();
    }

    alignas(4096) std::byte memory[page_size]{};
    EventLoop loop;
    std::size_t log_limit = 1 << 20;
    std::string log_path = "/tmp/xylem-console-test-" + std::to_string(getpid()) + ".log";
    std::unique_ptr<Pty> pty;
    std::unique_ptr<Guest> guest;
    ConsoleSignal* signal = nullptr;
    dom0::Fd terminal;
    bool broken = false;
};

TEST_F(ConsoleTest, OutputGoesToTheTerminalAndTheLog)
{
    start();
    print("Linux version 6.1\r\nsecond\r\n");
    guest->serve();
    turn();
    EXPECT_EQ(shown(), "Linux version 6.1\r\nsecond\r\n");
    EXPECT_EQ(logged(), "Linux version 6.1\r\nsecond\r\n");
    EXPECT_EQ(page().out_cons, page().out_prod);
    EXPECT_EQ(signal->notified, 1u);
    EXPECT_EQ(signal->unmasked, 1u);
}

TEST_F(ConsoleTest, InputGoesToTheGuest)
{
    start();
    ASSERT_EQ(write(terminal.get(), "root\r", 5), 5);
    turn();
    EXPECT_EQ(typed(), "root\r");
    EXPECT_EQ(signal->notified, 1u);
}

TEST_F(ConsoleTest, InputWaitsUntilTheGuestHasRoom)
{
    start();
    const std::string much(3000, 'x');
    ASSERT_EQ(write(terminal.get(), much.data(), much.size()), 3000);
    std::string got;
    for (int i = 0; i < 5; ++i)
        turn();
    EXPECT_EQ(page().in_prod - page().in_cons, 1024u);
    for (int i = 0; i < 10; ++i) {
        got += typed();
        guest->serve(); // the guest tells that it has read
        turn();
    }
    EXPECT_EQ(got, much);
}

// Nobody has the terminal open and reads: the guest is never held up, and the newest output is kept.
TEST_F(ConsoleTest, OutputThatNobodyReadsHoldsUpNobody)
{
    start(20000);
    for (int i = 0; i < 2000; ++i) {
        print(fmt::format("line {:05}: some words to fill it with\n", i));
        guest->serve();
        ASSERT_EQ(page().out_cons, page().out_prod);
    }
    const std::string text = shown();
    EXPECT_NE(text.find("line 01999"), std::string::npos);
    EXPECT_LT(text.size(), 200000u);
    EXPECT_EQ(std::filesystem::file_size(log_path), 2000u * 39);
}

TEST_F(ConsoleTest, AnImpossibleOutputIndexClosesTheConsole)
{
    start();
    page().out_prod = page().out_cons + 2049;
    guest->serve();
    turn();
    EXPECT_TRUE(broken);
    EXPECT_EQ(signal->unmasked, 0u);
    EXPECT_EQ(logged(), "");
}

TEST_F(ConsoleTest, AnImpossibleInputIndexClosesTheConsole)
{
    start();
    page().in_cons = page().in_prod + 1;
    guest->serve();
    turn();
    EXPECT_TRUE(broken);
}

// A guest that sends events without pause is served at a bounded rate: its port stays masked in between.
TEST_F(ConsoleTest, AFloodIsServedAtABoundedRate)
{
    start();
    const auto begin = EventLoop::Clock::now();
    unsigned events = 0;
    unsigned unmasked = 0;
    while (events < 80 && EventLoop::Clock::now() - begin < std::chrono::seconds(60)) {
        if (signal->unmasked > unmasked || events == 0) { // an event comes only through an unmasked port
            unmasked = signal->unmasked;
            ++events;
            print("flood\n");
            guest->serve();
        }
        loop.turn(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(events, 80u);
    EXPECT_GE(EventLoop::Clock::now() - begin, std::chrono::milliseconds(140)) << "50 at once and 200 a second";
    EXPECT_EQ(page().out_cons, page().out_prod) << "what was said before the pause was taken";
}

TEST_F(ConsoleTest, OutputIsNotLostWhenTheDaemonIsKilledWhileItStoresIt)
{
    print("precious");
    ConsoleRing killed(memory);
    std::array<char, ConsoleRing::out_bytes> buffer;
    ASSERT_EQ(killed.peek(buffer), 8u); // and no release
    start();
    guest->serve();
    EXPECT_EQ(logged(), "precious");
}

// Whatever a guest says, its logs have a limit; the newest of it is there, in order, whole.
TEST_F(ConsoleTest, ALogThatIsTooLongIsBegunAnew)
{
    log_limit = 1000;
    start();
    std::string all;
    for (int i = 0; i < 30; ++i) {
        const std::string line = fmt::format("line {:03} ", i) + std::string(90, 'x') + "\n";
        all += line;
        print(line);
        guest->serve();
    }
    std::ostringstream older;
    older << std::ifstream(log_path + ".1").rdbuf();
    EXPECT_LE(logged().size(), 1000u);
    EXPECT_LE(older.str().size(), 1000u);
    EXPECT_TRUE(all.ends_with(older.str() + logged()));
    EXPECT_GE(older.str().size() + logged().size(), 1000u);
}

// The daemon dies between any two steps; the next one goes on from what the ring says. Nothing is lost from the log,
// and what is there twice is what had not been released yet.
TEST_F(ConsoleTest, ASuccessorLosesNothing)
{
    std::string all;
    for (int i = 0; i < 50; ++i) {
        start();
        const std::string line = fmt::format("line {}\n", i);
        all += line;
        print(line);
        guest->serve();
        guest.reset();
    }
    EXPECT_EQ(logged(), all);
    start();
    const auto released = page().out_cons;
    print("again");
    guest->serve();
    page().out_cons = released; // as if it had been killed just before it released them
    guest.reset();
    start();
    guest->serve();
    EXPECT_EQ(logged(), all + "againagain");
}

TEST(Backlog, TheNewestIsKept)
{
    Backlog backlog(100);
    for (int i = 0; i < 100; ++i)
        backlog.append(fmt::format("{:02}", i));
    EXPECT_LE(backlog.text().size(), 100u);
    EXPECT_TRUE(backlog.text().ends_with("979899"));
    backlog.append(std::string(500, 'x'));
    EXPECT_EQ(backlog.text(), std::string(100, 'x'));
}

}

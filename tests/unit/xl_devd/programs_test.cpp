// xl devd's children: scripts that stand for the backends.
#include "tools/xl/devd/programs.hpp"

#include "dom0/lib/fd.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

namespace xylem::xl::test {

using namespace std::chrono_literals;

struct BackendProgramsTest : testing::Test {
    BackendProgramsTest()
    {
        std::string name = (std::filesystem::temp_directory_path() / "xl-devd.XXXXXX").string();
        folder = mkdtemp(name.data());
        programs = std::make_unique<BackendPrograms>(loop, folder);
    }
    ~BackendProgramsTest() override
    {
        programs->end([this] { ended = true; });
        turn_until([this] { return ended; });
        std::filesystem::remove_all(folder);
    }

    void write_program(const std::string& name, const std::string& body)
    {
        std::ofstream(folder / name) << "#!/bin/sh\n" << body;
        std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
    }
    bool turn_until(const std::function<bool()>& holds)
    {
        for (const auto deadline = std::chrono::steady_clock::now() + 20s; !holds();) {
            if (std::chrono::steady_clock::now() > deadline)
                return false;
            loop.turn(10ms);
            programs->reap();
        }
        return true;
    }
    std::vector<pid_t> starts()
    {
        std::ifstream file(folder / "starts");
        return {std::istream_iterator<pid_t>(file), {}};
    }
    bool runs(pid_t pid) { return kill(pid, 0) == 0; }

    /// Says its number, and lives.
    const std::string living = "echo $$ >> \"${0%/*}/starts\"\nexec sleep 1000\n";

    std::filesystem::path folder;
    backends::EventLoop loop;
    std::unique_ptr<BackendPrograms> programs;
    bool ended = false;
};

TEST_F(BackendProgramsTest, ProgramOfAKindHasTheBackendsName)
{
    EXPECT_EQ(programs->program_for("vbd"), folder / "xylem-blkback");
    EXPECT_EQ(programs->program_for("vif"), folder / "xylem-netback");
    EXPECT_EQ(programs->program_for("rng"), folder / "xylem-rngback");
}

TEST_F(BackendProgramsTest, KindWithoutAProgramIsRefused)
{
    EXPECT_FALSE(programs->provide("vkbd"));
}

TEST_F(BackendProgramsTest, ProgramIsStartedOnce)
{
    write_program("xylem-blkback", living);
    EXPECT_TRUE(programs->provide("vbd"));
    EXPECT_TRUE(programs->provide("vbd"));
    ASSERT_TRUE(turn_until([&] { return !starts().empty(); }));
    loop.turn(200ms);
    EXPECT_EQ(starts().size(), 1U);
}

TEST_F(BackendProgramsTest, ProgramThatIsKilledStartsAgain)
{
    write_program("xylem-blkback", living);
    programs->provide("vbd");
    ASSERT_TRUE(turn_until([&] { return starts().size() == 1; }));
    kill(starts()[0], SIGKILL);
    EXPECT_TRUE(turn_until([&] { return starts().size() == 2; }));
}

// An xl devd that was killed leaves backends that have yet to answer what they have begun; its successor's wait for
// them.
TEST_F(BackendProgramsTest, ProgramIsRunOnceInADomain)
{
    write_program("xylem-blkback", living);
    const dom0::Fd other(open((folder / "xylem-blkback").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    programs->provide("vbd");
    loop.turn(300ms);
    EXPECT_TRUE(starts().empty());
    flock(other.get(), LOCK_UN);
    EXPECT_TRUE(turn_until([&] { return starts().size() == 1; }));
    EXPECT_NE(flock(other.get(), LOCK_EX | LOCK_NB), 0) << "and hold the lock while they run";
}

// It is not started as fast as it can fail.
TEST_F(BackendProgramsTest, ProgramThatFailsStartsAgainAfterPausesThatGrow)
{
    write_program("xylem-blkback", "echo $$ >> \"${0%/*}/starts\"\nexit 1\n");
    const auto begin = std::chrono::steady_clock::now();
    programs->provide("vbd");
    ASSERT_TRUE(turn_until([&] { return starts().size() == 4; }));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 700ms); // 100, 200 and 400
}

TEST_F(BackendProgramsTest, EndIsTheEndOfAll)
{
    write_program("xylem-blkback", living);
    write_program("xylem-netback", living);
    programs->provide("vbd");
    programs->provide("vif");
    ASSERT_TRUE(turn_until([&] { return starts().size() == 2; }));
    programs->end([this] { ended = true; });
    EXPECT_TRUE(turn_until([this] { return ended; }));
    for (const pid_t pid : starts())
        EXPECT_FALSE(runs(pid));
}

}

// The daemon as a process: its socket, Debian's clients and our own, and clients that mean harm.
#include "xenstore/client/client.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

using namespace std::chrono_literals;

std::string output_of(const std::string& command)
{
    std::string output;
    FILE* pipe = popen((command + " 2>&1; echo \"exit $?\"").c_str(), "r");
    std::array<char, 4096> buffer;
    while (const std::size_t got = fread(buffer.data(), 1, buffer.size(), pipe))
        output.append(buffer.data(), got);
    pclose(pipe);
    return output;
}

int socket_to(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
}

}

class DaemonTest : public testing::Test {
public:
    DaemonTest()
    {
        std::string directory = (std::filesystem::temp_directory_path() / "xenstored.XXXXXX").string();
        directory_ = mkdtemp(directory.data());
        path_ = directory_ + "/socket";
        setenv("XENSTORED_PATH", path_.c_str(), 1);
        start();
    }
    ~DaemonTest() override
    {
        kill(daemon_, SIGTERM);
        waitpid(daemon_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }

    void start()
    {
        daemon_ = fork();
        if (daemon_ == 0) {
            execl("build/bin/xenstored", "xenstored", "--no-fork", "--no-domains", "--init-dom0", "--log-file",
                  (directory_ + "/log").c_str(), nullptr);
            _exit(127);
        }
        for (int i = 0; i < 1000 && !std::filesystem::exists(path_); ++i)
            std::this_thread::sleep_for(10ms);
        std::this_thread::sleep_for(20ms);
    }

    std::size_t resident_kib() const
    {
        std::ifstream status("/proc/" + std::to_string(daemon_) + "/status");
        std::string word;
        std::size_t kib = 0;
        while (status >> word && word != "VmRSS:") {
        }
        status >> kib;
        return kib;
    }

    std::string directory_;
    std::string path_;
    pid_t daemon_ = -1;
};

// Debian's libxenstore is the oracle of the protocol, Debian's commands that of ours.
TEST_F(DaemonTest, OurCommandsAndDebiansDoAndPrintTheSame)
{
    const std::vector<std::string> commands = {
        "read",
        "read -h",
        "read /none",
        "read -p /none",
        "read -x /tool",
        "read /tool /none",
        "read relative",
        "write",
        "write /t/a",
        "write /t/a 1 /t/b",
        "write -h",
        "write -p /t/a 1",
        "write 'bad path' x",
        "write /t//x 1",
        "list",
        "list /none",
        "list /tool /local",
        "ls /none",
        "ls -h",
        "ls -x",
        "exists",
        "exists -p /tool",
        "exists /tool /none",
        "chmod",
        "chmod /tool",
        "chmod /tool x0",
        "chmod /none r0",
        "chmod -h",
        "rm",
        "rm /none",
        "rm /none/x",
        "rm /",
        "watch",
        "watch -n 0 /",
        "watch -n 1 @releaseDomain",
        "watch -n 1 'bad path'",
        "nonsense",
        "write /q/r 'a\\tb\\x01\\\\' /q/s 1",
        "write /q/empty ''",
        "write -R /q/raw 'a\\tb'",
        "ls",
        "ls -f -p",
        "ls -p /q",
        "read /q/r",
        "read -p /q/r /q/s",
        "read -R /q/r",
        "list /",
        "list -p /q",
        "exists /q/s",
        "exists /q/none",
        "chmod -r /q n0 r0",
        "chmod -u /q/r b0",
        "ls -p",
        "rm -t /q/r",
        "write /deep/er/est x",
        "rm -t /deep/er/est",
        "exists /deep",
        "watch -n 2 /q /deep",
        "rm /q",
    };
    const auto results = [&](const std::string& directory) {
        std::vector<std::string> outputs;
        for (const std::string& command : commands) {
            const std::size_t space = std::min(command.find(' '), command.size());
            std::string output = output_of(directory + "/xenstore-" + command.substr(0, space) + command.substr(space));
            for (std::size_t at; (at = output.find(directory + "/")) != std::string::npos;)
                output.erase(at, directory.size() + 1);
            outputs.push_back(command + ": " + output);
        }
        return outputs;
    };
    const std::vector<std::string> debians = results("/usr/bin");
    EXPECT_EQ(results("build/bin"), debians);
    const auto read = std::ranges::find_if(debians, [](const auto& text) { return text.starts_with("read /q/r: "); });
    EXPECT_EQ(*read, "read /q/r: a\\tb\\001\\\\\nexit 0\n"); // Debian's are there
}

TEST_F(DaemonTest, DebiansClientsListADirectoryOfAnySize)
{
    Client client;
    client.transact([](StoreView& in) {
        for (int i = 0; i < 2000; ++i)
            in.write("/big/some-name-" + std::to_string(i), "v");
    });
    EXPECT_EQ(client.list("/big").size(), 2000U);
    EXPECT_EQ(client.list("/big").back(), "some-name-1999");
    EXPECT_EQ(output_of("/usr/bin/xenstore-list /big | wc -l"), "2000\nexit 0\n");
}

TEST_F(DaemonTest, ATransactionIsRepeatedUntilNobodyInterferes)
{
    Client client;
    Client other;
    client.write("/counter", "1");
    int attempts = 0;
    client.transact([&](StoreView& in) {
        const int value = std::stoi(in.read("/counter"));
        if (++attempts < 3)
            other.write("/counter", std::to_string(attempts * 10));
        in.write("/counter", std::to_string(value + 1));
    });
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(client.read("/counter"), "21");
    EXPECT_THROW(client.transact([&](StoreView& in) {
        in.write("/counter", "0");
        throw std::runtime_error("no");
    }),
                 std::runtime_error);
    EXPECT_EQ(other.read("/counter"), "21");
}

TEST_F(DaemonTest, AnErrorNamesWhatWasAskedForAndWhy)
{
    Client client;
    EXPECT_EQ(client.find("/nothing"), std::nullopt);
    EXPECT_TRUE(client.list_if_exists("/nothing").empty());
    client.remove_if_exists("/nothing/at/all");
    try {
        client.read("/nothing/here");
        FAIL();
    } catch (const StoreError& error) {
        EXPECT_EQ(error.error(), Error::NoEntry);
        EXPECT_STREQ(error.what(), "xenstore: READ /nothing/here: no such node");
    }
}

TEST_F(DaemonTest, EventsReachAClientBetweenItsOwnRequests)
{
    Client watcher;
    Client other;
    watcher.watch("/w", "token");
    EXPECT_EQ(watcher.wait_for_event(5s)->path, "/w");
    other.write("/w/x", "1");
    EXPECT_EQ(watcher.read("/w/x"), "1"); // the event arrives on the way
    const std::optional<WatchEvent> event = watcher.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->path, "/w/x");
    EXPECT_EQ(event->token, "token");
    EXPECT_FALSE(watcher.wait_for_event(20ms));
    watcher.unwatch("/w", "token");
    other.write("/w/x", "2");
    EXPECT_FALSE(watcher.wait_for_event(20ms));
}

TEST_F(DaemonTest, WhatDependsOnDomainsSaysSoWithoutThem)
{
    Client client;
    EXPECT_FALSE(client.is_introduced(DomId(5)));
    EXPECT_EQ(client.domain_path(DomId(5)), "/local/domain/5");
    EXPECT_THROW(client.introduce(DomId(5), Gfn(100), Port(7)), StoreError);
    const std::vector<std::string> check = {"check"};
    EXPECT_EQ(client.control(check), "OK");
}

TEST_F(DaemonTest, AClientThatNeverReadsCostsABoundedAmount)
{
    const int greedy = socket_to(path_);
    fcntl(greedy, F_SETFL, O_NONBLOCK);
    Client victim;
    victim.write("/big", std::string(4000, 'x'));
    const std::size_t before = resident_kib();
    const std::string watch = encode({XsMessageType::watch, 1, 0, std::string("/\0t\0", 4)});
    ASSERT_EQ(write(greedy, watch.data(), watch.size()), static_cast<ssize_t>(watch.size()));
    const std::string read = encode({XsMessageType::read, 1, 0, std::string("/big\0", 5)});
    for (int i = 0; i < 200000; ++i)
        if (write(greedy, read.data(), read.size()) < 0)
            break;
    for (int i = 0; i < 20000; ++i)
        victim.write("/flood/" + std::to_string(i % 500), std::to_string(i));
    EXPECT_LT(resident_kib() - before, 40000U);
    EXPECT_EQ(victim.read("/flood/0"), "19500");
    close(greedy);
}

TEST_F(DaemonTest, NonsenseEndsTheConnectionItCameFrom)
{
    for (const std::string& nonsense : {std::string(100, '\xff'), std::string(1, 'x')}) {
        const int fd = socket_to(path_);
        ASSERT_EQ(write(fd, nonsense.data(), nonsense.size()), static_cast<ssize_t>(nonsense.size()));
        shutdown(fd, SHUT_WR);
        char byte;
        EXPECT_EQ(read(fd, &byte, 1), 0);
        close(fd);
    }
    EXPECT_EQ(Client().read("/local/domain/0/name"), "Domain-0");
}

TEST_F(DaemonTest, TheLogMayBeRotated)
{
    Client client;
    const auto print = [&](const std::string& text) { client.control(std::vector<std::string>{"print", text}); };
    const auto log = [&](const std::string& name) {
        std::ifstream file(directory_ + "/" + name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    print("before");
    std::filesystem::rename(directory_ + "/log", directory_ + "/log.1");
    kill(daemon_, SIGHUP);
    for (int i = 0; i < 500 && !std::filesystem::exists(directory_ + "/log"); ++i)
        std::this_thread::sleep_for(10ms);
    print("after");
    EXPECT_NE(log("log.1").find("before"), std::string::npos);
    EXPECT_EQ(log("log.1").find("after"), std::string::npos);
    EXPECT_NE(log("log").find("after"), std::string::npos);
}

// Lines as Xen's xenstored has them. What a client sends cannot make a line of its own.
TEST_F(DaemonTest, TheAccessLogHasWhoAskedForWhatAndWhatHeWasTold)
{
    Client client;
    client.control(std::vector<std::string>{"log", "on"});
    client.write("/logged", "a\nb");
    EXPECT_EQ(client.find("/none"), std::nullopt);
    client.control(std::vector<std::string>{"log", "off"});
    client.write("/unlogged", "");
    const std::string lines =
        output_of("sed -En 's/^(IN|OUT) 0x[0-9a-f]+ [0-9]{8} ([0-9]{2}:){2}[0-9]{2} /\\1 /p' " + directory_ + "/log");
    EXPECT_EQ(lines, "OUT CONTROL (OK )\n"
                     "IN WRITE (/logged a\\x0ab)\nOUT WRITE (OK )\n"
                     "IN READ (/none )\nOUT ERROR (ENOENT )\n"
                     "IN CONTROL (log off )\n"
                     "exit 0\n");
}

TEST_F(DaemonTest, AnotherDaemonIsRefused)
{
    const std::string said = output_of("build/bin/xenstored --no-fork --no-domains");
    EXPECT_NE(said.find("another xenstored serves " + path_), std::string::npos) << said;
    EXPECT_NE(said.find("exit 1"), std::string::npos);
}

TEST_F(DaemonTest, ItGoesToTheBackgroundTellsItsSupervisorAndEndsCleanly)
{
    const std::string other = directory_ + "/other";
    const int supervisor = socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (directory_ + "/notify").c_str());
    ASSERT_EQ(bind(supervisor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string said = output_of("XENSTORED_PATH=" + other + " NOTIFY_SOCKET=" + directory_ +
                                       "/notify build/bin/xenstored --no-domains" + " --pid-file " + directory_ +
                                       "/pid --log-file " + directory_ + "/log2");
    EXPECT_EQ(said, "exit 0\n");
    char text[16] = {};
    EXPECT_EQ(recv(supervisor, text, sizeof text, 0), 7);
    EXPECT_STREQ(text, "READY=1");
    EXPECT_EQ(Client(other).list("/").size(), 2U); // served by the time the parent returns
    pid_t pid = 0;
    std::ifstream(directory_ + "/pid") >> pid;
    ASSERT_GT(pid, 0);
    kill(pid, SIGTERM);
    for (int i = 0; i < 500 && kill(pid, 0) == 0; ++i)
        std::this_thread::sleep_for(10ms);
    EXPECT_FALSE(std::filesystem::exists(other));
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/pid"));
    close(supervisor);
}

TEST(Options, AWrongOneIsNamed)
{
    EXPECT_NE(output_of("build/bin/xenstored --quota=pears=5").find("no such quota; there are nodes,"),
              std::string::npos);
    EXPECT_NE(output_of("build/bin/xenstored --quota=nodes").find("give a number"), std::string::npos);
    EXPECT_NE(output_of("build/bin/xenstored --no-such").find("--no-such"), std::string::npos);
    EXPECT_NE(output_of("XENSTORED_PATH=/tmp/no-daemon build/bin/xenstore-read /x")
                  .find("no xenstored answers: /tmp/no-daemon"),
              std::string::npos);
}

}

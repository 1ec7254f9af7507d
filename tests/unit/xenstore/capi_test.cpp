// The C library, seen through Debian's own header, and under Debian's own programs.
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include <xenstore.h>
}

namespace {

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

/// What `block`, which is to be freed, says.
std::string taken(char** block)
{
    std::string text = block ? std::string(block[XS_WATCH_PATH]) + " " + block[XS_WATCH_TOKEN] : "none";
    std::free(block);
    return text;
}

class CLibrary : public testing::Test {
public:
    CLibrary()
    {
        std::string directory = (std::filesystem::temp_directory_path() / "libxenstore.XXXXXX").string();
        directory_ = mkdtemp(directory.data());
        setenv("XENSTORED_PATH", (directory_ + "/socket").c_str(), 1);
        daemon_ = fork();
        if (daemon_ == 0) {
            execl("build/bin/xenstored", "xenstored", "--no-fork", "--no-domains", "--log-file",
                  (directory_ + "/log").c_str(), nullptr);
            _exit(127);
        }
        for (int i = 0; i < 1000 && !handle; ++i) {
            usleep(10000);
            handle = xs_open(0);
        }
    }
    ~CLibrary() override
    {
        xs_close(handle);
        kill(daemon_, SIGTERM);
        waitpid(daemon_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }

    bool write(const std::string& path, const std::string& value, xs_transaction_t transaction = XBT_NULL)
    {
        return xs_write(handle, transaction, path.c_str(), value.data(), static_cast<unsigned>(value.size()));
    }
    std::string read(const std::string& path, xs_handle* from = nullptr)
    {
        unsigned len = 0;
        auto* value = static_cast<char*>(xs_read(from ? from : handle, XBT_NULL, path.c_str(), &len));
        if (!value)
            return "errno " + std::to_string(errno);
        EXPECT_EQ(value[len], '\0');
        std::string text(value, len);
        std::free(value);
        return text;
    }
    bool is_readable(int milliseconds)
    {
        pollfd poller{xs_fileno(handle), POLLIN, 0};
        return poll(&poller, 1, milliseconds) == 1;
    }

    xs_handle* handle = nullptr;
    std::string directory_;
    pid_t daemon_ = -1;
};

}

TEST_F(CLibrary, NodesAreReadWrittenListedAndRemoved)
{
    EXPECT_TRUE(write("/x/a", std::string("a\0b", 3)));
    EXPECT_EQ(read("/x/a"), std::string("a\0b", 3));
    EXPECT_TRUE(xs_mkdir(handle, XBT_NULL, "/x/b"));
    unsigned count = 0;
    char** names = xs_directory(handle, XBT_NULL, "/x", &count);
    ASSERT_EQ(count, 2U);
    EXPECT_STREQ(names[0], "a");
    EXPECT_STREQ(names[1], "b");
    std::free(names);
    names = xs_directory(handle, XBT_NULL, "/x/b", &count);
    EXPECT_NE(names, nullptr);
    EXPECT_EQ(count, 0U);
    std::free(names);
    EXPECT_TRUE(xs_rm(handle, XBT_NULL, "/x"));
    EXPECT_EQ(read("/x"), "errno " + std::to_string(ENOENT));
    EXPECT_EQ(read("bad path"), "errno " + std::to_string(EINVAL));
    EXPECT_FALSE(write("/x", std::string(5000, 'x')));
    EXPECT_EQ(errno, E2BIG);
}

TEST_F(CLibrary, PermissionsAreThoseOfTheHeader)
{
    ASSERT_TRUE(write("/x", ""));
    xs_permissions wanted[] = {{0, XS_PERM_NONE}, {3, XS_PERM_READ}, {4, XS_PERM_READ | XS_PERM_WRITE}};
    EXPECT_TRUE(xs_set_permissions(handle, XBT_NULL, "/x", wanted, 3));
    unsigned count = 0;
    xs_permissions* got = xs_get_permissions(handle, XBT_NULL, "/x", &count);
    ASSERT_EQ(count, 3U);
    EXPECT_EQ(std::memcmp(got, wanted, sizeof wanted), 0);
    std::free(got);
}

TEST_F(CLibrary, AConflictIsToldAsEagain)
{
    ASSERT_TRUE(write("/x", "1"));
    const xs_transaction_t transaction = xs_transaction_start(handle);
    ASSERT_NE(transaction, static_cast<xs_transaction_t>(XBT_NULL));
    std::free(xs_read(handle, transaction, "/x", nullptr));
    EXPECT_TRUE(write("/x", "2"));
    EXPECT_FALSE(xs_transaction_end(handle, transaction, false));
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_FALSE(xs_transaction_end(handle, transaction, false));
    EXPECT_EQ(errno, ENOENT);
}

// libxl polls the descriptor, and makes requests between two looks at it.
TEST_F(CLibrary, EventsThatCameOnTheWayToAReplyKeepTheDescriptorReadable)
{
    EXPECT_EQ(taken(xs_check_watch(handle)), "none");
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_TRUE(xs_watch(handle, "/x", "t"));
    EXPECT_TRUE(is_readable(1000));
    EXPECT_EQ(taken(xs_check_watch(handle)), "/x t");
    ASSERT_TRUE(write("/x", "1"));
    EXPECT_EQ(read("/x"), "1");
    EXPECT_TRUE(is_readable(0));
    unsigned count = 0;
    EXPECT_EQ(taken(xs_read_watch(handle, &count)), "/x t");
    EXPECT_EQ(count, 2U);
    EXPECT_EQ(taken(xs_check_watch(handle)), "none");
    EXPECT_FALSE(is_readable(0));
    EXPECT_TRUE(xs_unwatch(handle, "/x", "t"));
    EXPECT_FALSE(xs_unwatch(handle, "/x", "t"));
    EXPECT_EQ(errno, ENOENT);
}

TEST_F(CLibrary, NoEventOfAFilteredWatchComesAfterItsEnd)
{
    xs_handle* filtering = xs_open(XS_UNWATCH_FILTER);
    ASSERT_TRUE(xs_watch(filtering, "/x", "t"));
    ASSERT_TRUE(write("/x/y", "1"));
    EXPECT_EQ(read("/x/y", filtering), "1");
    EXPECT_TRUE(xs_unwatch(filtering, "/x", "t"));
    EXPECT_EQ(taken(xs_check_watch(filtering)), "none");
    xs_close(filtering);
}

TEST_F(CLibrary, ThreadsShareAHandle)
{
    ASSERT_TRUE(xs_watch(handle, "/shared", "t"));
    std::atomic<int> events = 0;
    std::thread reader([&] {
        while (taken(xs_read_watch(handle, nullptr)) != "/shared/end t")
            ++events;
    });
    std::vector<std::thread> writers;
    for (int thread = 0; thread < 4; ++thread)
        writers.emplace_back([this, thread] {
            const std::string path = "/shared/" + std::to_string(thread);
            for (int i = 0; i < 500; ++i) {
                EXPECT_TRUE(write(path, std::to_string(i)));
                EXPECT_EQ(read(path), std::to_string(i));
            }
        });
    for (std::thread& writer : writers)
        writer.join();
    EXPECT_TRUE(write("/shared/end", ""));
    reader.join();
    EXPECT_GT(events, 4);
}

TEST_F(CLibrary, TheEndOfTheDaemonIsToldAndDoesNotHang)
{
    std::thread waiting([this] { EXPECT_EQ(taken(xs_read_watch(handle, nullptr)), "none"); });
    usleep(50000);
    kill(daemon_, SIGKILL);
    waiting.join();
    EXPECT_TRUE(read("/").starts_with("errno "));
}

TEST_F(CLibrary, DomainsAndHelpers)
{
    char* path = xs_get_domain_path(handle, 7);
    EXPECT_STREQ(path, "/local/domain/7");
    std::free(path);
    EXPECT_FALSE(xs_is_domain_introduced(handle, 7));
    EXPECT_FALSE(xs_release_domain(handle, 7));
    EXPECT_EQ(errno, ENOENT);
    EXPECT_EQ(xs_suspend_evtchn_port(7), -1);
    ASSERT_TRUE(write("/local/domain/7/device/suspend/event-channel", "12"));
    EXPECT_EQ(xs_suspend_evtchn_port(7), 12);
    char* reply = xs_control_command(handle, "check", nullptr, 0);
    EXPECT_STREQ(reply, "OK");
    std::free(reply);
    EXPECT_TRUE(xs_path_is_subpath("/a", "/a/b"));
    EXPECT_FALSE(xs_path_is_subpath("/a", "/ab"));
    EXPECT_FALSE(xs_restrict(handle, 7));
}

// Debian's programs cannot tell our library from theirs.
TEST_F(CLibrary, DebiansProgramsRunWithIt)
{
    const std::vector<std::string> commands = {
        "write /q/r v /q/s 1", "ls",    "ls -f -p",      "read -p /q/r /q/s", "list /q", "exists /q/none",
        "chmod -r /q n0 r0",   "ls -p", "watch -n 1 /q", "rm -t /q/r",        "rm /q",   "read /q",
    };
    const auto results = [&](const std::string& environment) {
        std::vector<std::string> outputs;
        for (const std::string& command : commands) {
            const std::size_t space = std::min(command.find(' '), command.size());
            outputs.push_back(
                command + ": " +
                output_of(environment + "/usr/bin/xenstore-" + command.substr(0, space) + command.substr(space)));
        }
        return outputs;
    };
    EXPECT_EQ(results("LD_LIBRARY_PATH=build/lib "), results(""));
    EXPECT_NE(output_of("LD_LIBRARY_PATH=build/lib ldd /usr/bin/xenstore-ls").find("=> build/lib/libxenstore.so.4"),
              std::string::npos);
}

TEST(CLibraryAbi, TheExportedNamesAreDebians)
{
    const auto names = [](const std::string& library) {
        return output_of("readelf -W --dyn-syms " + library + " | awk '$8 ~ /VERS_4.0/ {print $8, $4}' | sort");
    };
    const std::string ours = names("build/lib/libxenstore.so.4");
    EXPECT_EQ(ours, names("/usr/lib/x86_64-linux-gnu/libxenstore.so.4"));
    EXPECT_NE(ours.find("xs_open@@VERS_4.0 FUNC"), std::string::npos);
}

// What the backends do, done by confined processes: none of their ways may need what confine() has taken away. That the
// same succeeds without confinement is what the other tests show.
#include "backends/console/guest.hpp"
#include "backends/console/pty.hpp"
#include "backends/console/unix_socket.hpp"
#include "backends/lib/service.hpp"
#include "backends/net/tap.hpp"
#include "tests/unit/backends/confined.hpp"
#include "tests/unit/backends/qcow2_tool.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace xylem::backends {

using block::Access;
using block::DiskJob;
using block::test::Bytes;
using block::test::Folder;
using block::test::must;
using test::confined;
using test::in_a_child;

/// Collects what went wrong in a child, whose expectations nobody hears.
struct Findings {
    void want(bool good, const char* what)
    {
        if (!good)
            std::fprintf(stderr, "confined: %s\n", what);
        bad |= !good;
    }
    int verdict() const { return bad ? 1 : 0; }
    bool bad = false;
};

/// What `open` complains of; empty if it does not.
template <typename Open> static std::string complaint(Open open)
{
    try {
        open();
        return "";
    } catch (const std::exception& error) {
        return error.what();
    }
}

/// The block backend's process: its io_uring is there before it is confined, its disks come later.
struct BlockProcess {
    BlockProcess() { confine({.capabilities = {CAP_DAC_OVERRIDE}, .socket_families = {}, .io_uring = true}); }

    int ask(block::Disk& disk, DiskJob::Kind kind, u64 offset = 0, u64 bytes = 0)
    {
        const bool moves = kind == DiskJob::Kind::read || kind == DiskJob::Kind::write;
        const std::span<std::byte> data(buffer, moves ? bytes : 0);
        return block::test::perform(loop, disk, kind, offset, data, bytes);
    }
    void use(const std::string& params)
    {
        const auto disk = block::open_disk(loop, io, params, Access::read_write).disk;
        found.want(ask(*disk, DiskJob::Kind::read, 0, sizeof buffer) == 0, "a read");
        std::memset(buffer, 0x5a, sizeof buffer);
        for (u64 at = 0; at + sizeof buffer <= disk->geometry().bytes; at += sizeof buffer * 2)
            found.want(ask(*disk, DiskJob::Kind::write, at, sizeof buffer) == 0, "a write that may grow the file");
        found.want(ask(*disk, DiskJob::Kind::write, 512, 512) == 0, "a write of a sector");
        found.want(ask(*disk, DiskJob::Kind::flush) == 0, "a flush");
        found.want(ask(*disk, DiskJob::Kind::discard, 0, sizeof buffer) == 0, "a discard");
        found.want(ask(*disk, DiskJob::Kind::flush) == 0, "a flush after a discard");
        found.want(ask(*disk, DiskJob::Kind::rest) == 0, "the rest");
        found.want(ask(*disk, DiskJob::Kind::read, sizeof buffer, sizeof buffer) == 0, "a read at last");
    }
    void fail(const std::string& params, Access access, const char* words)
    {
        const std::string said = complaint([&] { block::open_disk(loop, io, params, access); });
        found.want(said.find(words) != std::string::npos, (params + " said: " + said).c_str());
    }

    EventLoop loop;
    block::AsyncIo io{loop};
    Findings found;
    alignas(page_size) std::byte buffer[128 << 10];
};

/// On a disk, where io_uring serves, and on tmpfs, where plain calls do.
struct ConfinedDisks : testing::TestWithParam<const char*> {
    void SetUp() override
    {
        if (geteuid() != 0)
            GTEST_SKIP() << "only root has the capabilities that are kept";
    }
    Folder folder{GetParam()};
    const std::string raw = folder / "raw", image = folder / "image", above = folder / "above";
};

INSTANTIATE_TEST_SUITE_P(Folders, ConfinedDisks, testing::Values("/var/tmp", "/dev/shm"),
                         [](const auto& folder) { return std::string(folder.index ? "memory" : "disk"); });

TEST_P(ConfinedDisks, RawFilesAreServed)
{
    must("truncate -s 2M " + raw);
    std::filesystem::permissions(raw, std::filesystem::perms::none); // as if it belonged to another
    EXPECT_EQ(in_a_child([&] {
                  BlockProcess process;
                  process.use("raw:" + raw);
                  process.use(raw); // again, as after a reconnection
                  return process.found.verdict();
              }),
              0);
}

TEST_P(ConfinedDisks, ImagesGrowOverCompressedBackingFiles)
{
    block::test::write_file(raw, block::test::some_data(2 << 20, 1));
    must("qemu-img convert -c -f raw -O qcow2 " + raw + " " + image);
    must("cd " + (folder / "") + " && qemu-img create -q -f qcow2 -b image -F qcow2 -o cluster_size=4k above");
    EXPECT_EQ(in_a_child([&] {
                  BlockProcess process;
                  process.use("qcow2:" + above);
                  process.use("qcow2:" + image);
                  return process.found.verdict();
              }),
              0);
    must("qemu-img check -q " + above);
    must("qemu-img check -q " + image);
}

TEST_P(ConfinedDisks, WhatCannotBeServedIsSaidAsEver)
{
    must("truncate -s 1M " + raw);
    must("mkfifo " + (folder / "fifo"));
    const dom0::Fd other(open(raw.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    EXPECT_EQ(in_a_child([&] {
                  BlockProcess process;
                  process.fail(raw, Access::read_write, "is in use");
                  process.fail(raw, Access::read_only, "is in use");
                  process.fail(folder / "none", Access::read_only, "No such file");
                  process.fail("qcow2:" + (folder / "none"), Access::read_only, "No such file");
                  process.fail(folder / "", Access::read_only, "neither a file nor a block device");
                  process.fail(folder / "fifo", Access::read_only, "neither a file nor a block device");
                  return process.found.verdict();
              }),
              0);
}

TEST(ConfinedConsole, AGuestsTerminalAndLogsAreServed)
{
    const Folder folder;
    const std::string path = folder / "guest.log";
    struct Signal : PeerSignal {
        void notify() override {}
        void unmask() override {}
    };
    EXPECT_EQ(in_a_child([&] {
                  alignas(page_size) static std::byte page[page_size];
                  auto& shared = *reinterpret_cast<console::ConsoleRing::Page*>(page);
                  EventLoop loop;
                  confine({});
                  Findings found;
                  for (int life = 0; life < 2; ++life) {
                      console::Pty pty(loop, 4096);
                      console::Guest guest({loop, page, pty, path, 100, "domain 1", [](const char*) {}});
                      guest.set_signal(std::make_unique<Signal>());
                      const dom0::Fd terminal = dom0::open_device(pty.path().c_str(), O_RDWR | O_NOCTTY);
                      found.want(write(terminal.get(), "typed", 5) == 5, "typing");
                      for (int line = 0; line < 60; ++line) { // more than the burst that needs no timer
                          shared.out_prod += 30;
                          guest.serve();
                          loop.turn(std::chrono::milliseconds(10));
                      }
                      guest.reopen_log();
                      found.want(shared.in_prod == 5u * (static_cast<u32>(life) + 1), "what was typed arrives");
                      found.want(shared.out_cons == shared.out_prod, "the output is taken");
                  }
                  return found.verdict();
              }),
              0);
    EXPECT_LE(std::filesystem::file_size(path), 100u);
    EXPECT_GT(std::filesystem::file_size(path + ".1"), 0u);
}

TEST(ConfinedConsole, AChannelsSocketIsMadeAndServed)
{
    const Folder folder;
    const std::string path = folder / "channel";
    EXPECT_EQ(confined({.capabilities = {}, .socket_families = {}, .io_uring = false, .listening = true},
                       [&] {
                           Findings found;
                           EventLoop loop;
                           for (int life = 0; life < 2; ++life) {
                               console::UnixSocket socket_end(loop, path, 4096);
                               const std::string twice =
                                   complaint([&] { console::UnixSocket again(loop, path, 4096); });
                               found.want(twice.find("another process listens") != std::string::npos, twice.c_str());
                               socket_end.write("hello");
                               const dom0::Fd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
                               sockaddr_un name{};
                               name.sun_family = AF_UNIX;
                               path.copy(name.sun_path, sizeof name.sun_path - 1);
                               found.want(connect(client.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0,
                                          "connecting");
                               loop.turn(std::chrono::milliseconds(10)); // takes the probe of `again`, which has gone
                               for (int turn = 0; turn < 5; ++turn)
                                   loop.turn(std::chrono::milliseconds(10));
                               char text[8]{};
                               found.want(recv(client.get(), text, sizeof text, MSG_DONTWAIT) == 5, "the greeting");
                           }
                           return found.verdict();
                       }),
              0);
    EXPECT_FALSE(std::filesystem::exists(path));
}

/// A tap's life: made, set up, used, gone; and the ways in which it cannot be had.
static int use_taps(EventLoop& loop)
{
    Findings found;
    const net::TapConfig config{.name = "xylemtest0", .bridge = ""};
    for (int life = 0; life < 2; ++life) {
        net::Tap tap(loop, config, [] {});
        const std::string twice = complaint([&] { net::Tap again(loop, config, [] {}); });
        found.want(twice.find("is taken") != std::string::npos, twice.c_str());
        tap.set_offload({.scatter = true, .checksum_ipv4 = true, .segments_ipv4 = true});
        tap.listen(true);
        net::TapHeader header{};
        std::byte frame[64]{};
        const iovec parts[] = {{&header, sizeof header}, {frame, sizeof frame}};
        found.want(tap.send(parts), "a frame is sent");
        tap.receive(header, frame);
        tap.drain();
        loop.turn(std::chrono::milliseconds(0));
    }
    const std::string bridge =
        complaint([&] { net::Tap tap(loop, {.name = "xylemtest0", .bridge = "xylemnone"}, [] {}); });
    found.want(bridge.find("there is no bridge xylemnone") != std::string::npos, bridge.c_str());
    // Routed to from lo's address, for want of another that is there on every machine.
    const dom0::RoutedInterface routed{"lo", dom0::parse_networks("198.51.100.7 198.51.100.128/25")};
    const auto open_routed = [&](const dom0::RoutedInterface& how) {
        return std::make_unique<net::Tap>(loop, net::TapConfig{.name = "xylemtest0", .bridge = "", .routed = how},
                                          [] {});
    };
    for (int life = 0; life < 2; ++life) { // what one has is free when it is gone
        const std::string route = complaint([&] { open_routed(routed); });
        found.want(route.empty(), route.c_str());
    }
    {
        const auto first = open_routed(routed);
        const std::string theirs =
            complaint([&] { net::Tap second(loop, {.name = "xylemtest1", .bridge = "", .routed = routed}, [] {}); });
        found.want(theirs.find("198.51.100.7 is another interface's already") != std::string::npos, theirs.c_str());
        found.want(dom0::address_of_interface("xylemtest0") == dom0::address_of_interface("lo"), "the address");
    }
    const std::string gateway = complaint([&] { open_routed({"xylemnone", {}}); });
    found.want(gateway.find("'xylemnone' has no IPv4 address") != std::string::npos, gateway.c_str());
    const std::string loopback = complaint([&] { net::Tap tap(loop, {.name = "xylemtest0", .bridge = "lo"}, [] {}); });
    found.want(loopback.find("join the bridge lo") != std::string::npos, loopback.c_str());
    return found.verdict();
}

TEST(ConfinedNetwork, TapsAreMadeAndUsed)
{
    EventLoop loop;
    if (complaint([&] { net::Tap tap(loop, {.name = "xylemtest0", .bridge = ""}, [] {}); }) != "")
        GTEST_SKIP() << "taps cannot be made here: /dev/net/tun and CAP_NET_ADMIN are needed";
    EXPECT_EQ(confined({.capabilities = {CAP_NET_ADMIN}, .socket_families = {AF_INET, AF_NETLINK}, .io_uring = false},
                       [&] { return use_taps(loop); }),
              0);
}

TEST(ConfinedService, ItTellsOfItselfAndEndsInOrder)
{
    const Folder folder;
    const std::string pid_file = folder / "pid", address = folder / "notify";
    const dom0::Fd supervisor(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(bind(supervisor.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(in_a_child([&] {
                  setenv("NOTIFY_SOCKET", address.c_str(), 1);
                  dom0::Program program("a service", "service");
                  Service service({});
                  service.add_options(program);
                  std::string words[] = {"service", "--pid-file", pid_file};
                  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
                  int hangups = 0;
                  const int status = service_main(program, 3, arguments, [&] {
                      EventLoop loop;
                      loop.defer([&] {
                          raise(SIGHUP);
                          raise(SIGTERM);
                      });
                      service.run(
                          loop, [](EventLoop::Handler done) { done(); }, [&] { ++hangups; });
                  });
                  Findings found;
                  found.want(status == 0, "it ends well");
                  found.want(hangups == 1, "it hears of a hangup");
                  found.want(access(pid_file.c_str(), F_OK) < 0, "its pid file is gone");
                  return found.verdict();
              }),
              0);
    char word[32];
    const auto heard = [&] {
        const ssize_t bytes = recv(supervisor.get(), word, sizeof word, 0);
        return std::string(word, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    };
    EXPECT_EQ(heard(), "READY=1");
    EXPECT_EQ(heard(), "STOPPING=1");
}

// A bug of ours shall be seen as one.
TEST(ConfinedService, AnAbortedProcessDiesOfIt)
{
    EXPECT_EQ(confined({}, []() -> int { std::abort(); }), 256 + SIGABRT);
    EXPECT_EQ(confined({}, []() -> int { throw std::runtime_error("thrown and caught"); }), 255);
}

}

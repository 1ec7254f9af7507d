// Channels: the handshake of a console beside the first, its ends in dom0 (a pty, a Unix socket), clients that come and
// go as they like, daemons that die, frontends that break the rules.
#include "backends/console/channel.hpp"
#include "backends/console/unix_socket.hpp"
#include "backends/lib/device_host.hpp"
#include "tests/unit/backends/fake_peer.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xylem::backends::console {

/// A socket's place, and clients for it.
struct SocketPlace {
    SocketPlace() : path("/tmp/xylem-channel-test-" + std::to_string(getpid())) { std::filesystem::remove(path); }
    ~SocketPlace() { std::filesystem::remove(path); }

    static sockaddr_un address_of(const std::string& path)
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    dom0::Fd client() const
    {
        dom0::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const sockaddr_un address = address_of(path);
        if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
            return {};
        return fd;
    }
    /// As a killed daemon leaves it.
    void leave_socket() const
    {
        const dom0::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_un address = address_of(path);
        ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    bool exists() const { return std::filesystem::exists(std::filesystem::symlink_status(path)); }

    std::string path;
};

static void say(const dom0::Fd& client, const std::string& text)
{
    ASSERT_EQ(send(client.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

/// What `client` has been sent; "(end)" behind it if that was all for ever.
static std::string heard(const dom0::Fd& client)
{
    std::string text;
    char buffer[4096];
    ssize_t bytes = 0;
    while ((bytes = recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        text.append(buffer, static_cast<std::size_t>(bytes));
    return bytes == 0 ? text + "(end)" : text;
}

struct UnixSocketTest : testing::Test {
    void start(std::size_t limit = 64 << 10)
    {
        end = std::make_unique<UnixSocket>(loop, place.path, limit);
        end->set_reader([this] {
            ++told;
            char buffer[4096];
            const std::size_t bytes = end->read(std::span(buffer).first(std::min(room, sizeof buffer)));
            got.append(buffer, bytes);
            room -= bytes;
            end->listen(room > 0);
        });
        end->listen(room > 0);
    }
    void settle()
    {
        for (int i = 0; i < 6; ++i)
            loop.turn(std::chrono::milliseconds(1));
    }
    void make_room(std::size_t bytes)
    {
        room += bytes;
        end->listen(true);
        settle();
    }

    EventLoop loop;
    SocketPlace place;
    std::unique_ptr<UnixSocket> end;
    std::string got; ///< by the guest
    std::size_t room = 1 << 20;
    unsigned told = 0;
};

TEST_F(UnixSocketTest, TextGoesBothWays)
{
    start();
    const dom0::Fd client = place.client();
    settle();
    say(client, "question");
    settle();
    EXPECT_EQ(got, "question");
    end->write("answer");
    EXPECT_EQ(heard(client), "answer");
}

TEST_F(UnixSocketTest, WhatWasSaidBeforeAClientCameWaitsForIt)
{
    start(100);
    for (int i = 0; i < 100; ++i)
        end->write(fmt::format("{:02}", i));
    const dom0::Fd client = place.client();
    settle();
    const std::string text = heard(client);
    EXPECT_LE(text.size(), 100u);
    EXPECT_TRUE(text.ends_with("979899"));
}

// As `echo words | socat - UNIX-CONNECT:path` does it.
TEST_F(UnixSocketTest, AClientThatHasSaidAllStillHears)
{
    start();
    const dom0::Fd client = place.client();
    say(client, "question");
    shutdown(client.get(), SHUT_WR);
    settle();
    EXPECT_EQ(got, "question");
    end->write("answer");
    EXPECT_EQ(heard(client), "answer");
    const unsigned before = told;
    settle();
    EXPECT_EQ(told, before) << "an end that was read does not wake us again";
}

TEST_F(UnixSocketTest, OneClientIsServedAtATime)
{
    start();
    dom0::Fd first = place.client();
    const dom0::Fd second = place.client();
    settle();
    say(second, "2");
    say(first, "1");
    settle();
    EXPECT_EQ(got, "1");
    end->write("to the first");
    EXPECT_EQ(heard(first), "to the first");
    EXPECT_EQ(heard(second), "");
    first = {};
    settle();
    EXPECT_EQ(got, "12");
    end->write("to the second");
    EXPECT_EQ(heard(second), "to the second");
}

TEST_F(UnixSocketTest, WhatAClientLeftBehindWaitsForTheGuestWithoutWakingUs)
{
    room = 0;
    start();
    {
        const dom0::Fd client = place.client();
        say(client, "a last word");
    }
    settle();
    const dom0::Fd next = place.client();
    say(next, ", and the next");
    settle();
    EXPECT_EQ(told, 0u);
    EXPECT_EQ(got, "");
    make_room(6);
    EXPECT_EQ(got, "a last");
    make_room(100);
    EXPECT_EQ(got, "a last word, and the next");
    end->write("answer");
    EXPECT_EQ(heard(next), "answer");
}

TEST_F(UnixSocketTest, AClientThatCameForNothingHoldsUpNobody)
{
    room = 0; // and no guest looks
    start();
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(place.client());
        settle();
    }
    end->write("hello");
    const dom0::Fd client = place.client();
    settle();
    EXPECT_EQ(heard(client), "hello");
}

TEST_F(UnixSocketTest, WhatIsNotReadIsBounded)
{
    start(20000);
    const dom0::Fd client = place.client();
    settle();
    std::string all;
    for (int i = 0; i < 40000; ++i) {
        const std::string line = fmt::format("line {:05}: some words to fill it with\n", i);
        all += line;
        end->write(line);
    }
    std::string text;
    for (int i = 0; i < 500; ++i) {
        text += heard(client);
        loop.turn(std::chrono::milliseconds(0));
    }
    EXPECT_LT(text.size(), all.size());
    EXPECT_TRUE(text.ends_with("line 39999: some words to fill it with\n"));
}

TEST_F(UnixSocketTest, ItsFileGoesWithItAndAnothersStays)
{
    start();
    EXPECT_TRUE(place.exists());
    end.reset();
    EXPECT_FALSE(place.exists());
    start();
    std::filesystem::remove(place.path);
    std::ofstream(place.path) << "another's";
    end.reset();
    EXPECT_TRUE(place.exists());
}

TEST_F(UnixSocketTest, ADeadDaemonsSocketIsReplacedAndNothingElseIs)
{
    place.leave_socket();
    start();
    EXPECT_TRUE(place.client());
    EXPECT_THROW(UnixSocket(loop, place.path, 1000), std::runtime_error) << "one that listens";
    end.reset();
    std::ofstream(place.path) << "a file";
    EXPECT_THROW(UnixSocket(loop, place.path, 1000), std::runtime_error);
    EXPECT_TRUE(place.exists());
    EXPECT_THROW(UnixSocket(loop, "/tmp/" + std::string(200, 'x'), 1000), std::runtime_error);
    EXPECT_THROW(UnixSocket(loop, "/nowhere/socket", 1000), std::runtime_error);
}

struct ChannelTest : testing::Test {
    ChannelTest()
    {
        store.write("domid", "0");
        page().out_prod = page().out_cons = 0xfffffff0; // about to wrap
        page().in_prod = page().in_cons = 0xfffffff8;
    }

    ConsoleRing::Page& page() { return *reinterpret_cast<ConsoleRing::Page*>(peer->page(1)); }
    void start()
    {
        const auto factory = [this](const DevicePlace& where, DeviceEvents events) {
            const auto bind = [this](Port port, EventLoop::Handler handler) -> std::unique_ptr<PeerSignal> {
                EXPECT_EQ(port, Port(7));
                on_event = std::move(handler);
                return std::make_unique<test::CountedSignal>(notified);
            };
            return std::make_unique<Channel>(DeviceSeams{loop, store, std::make_unique<Shared>(*peer), bind}, where,
                                             std::move(events));
        };
        host = std::make_unique<DeviceHost>(loop, store, "console", factory, [this](DomId domain, unsigned number) {
            return is_channel(store, domain, number);
        });
        settle();
    }
    void settle()
    {
        for (int i = 0; i < 8; ++i) {
            store.fire();
            loop.turn(std::chrono::milliseconds(1));
        }
    }
    void create(const std::string& connection, const std::string& path = "")
    {
        store.write(back + "/frontend", front);
        store.write(back + "/online", "1");
        store.write(back + "/connection", connection);
        store.write(back + "/name", "org.example.agent");
        if (!path.empty())
            store.write(back + "/path", path);
        store.write(front + "/type", "xenconsoled");
        store.write(front + "/tty", "");
        store.write(front + "/state", "1");
        store.write(back + "/state", "1");
        settle();
    }
    void guest_connects()
    {
        store.write(front + "/ring-ref", "1");
        store.write(front + "/port", "7");
        store.write(front + "/state", "3");
        settle();
    }
    void guest_says(const std::string& text)
    {
        for (const char letter : text)
            page().out[page().out_prod++ % sizeof(ConsoleRing::Page::out)] = letter;
        on_event();
        settle();
    }
    std::string guest_hears()
    {
        std::string text;
        while (page().in_cons != page().in_prod)
            text.push_back(page().in[page().in_cons++ % sizeof(ConsoleRing::Page::in)]);
        return text;
    }
    dom0::Fd open_tty() { return dom0::open_device(store.at(front + "/tty").c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK); }

    /// Each device has its own view of the one peer.
    struct Shared : PeerMemory {
        explicit Shared(PeerMemory& other) : peer(other) {}
        std::byte* map(std::span<const GrantRef> refs) override { return peer.map(refs); }
        void unmap(std::byte* mapped) override { peer.unmap(mapped); }
        void copy(std::span<GrantCopy> steps) override { peer.copy(steps); }
        DomId domain() const override { return peer.domain(); }
        PeerMemory& peer;
    };

    const std::string back = "/local/domain/0/backend/console/1/1";
    const std::string front = "/local/domain/1/device/console/1";
    EventLoop loop;
    test::MemoryStore store;
    std::unique_ptr<test::FakePeer> peer = std::make_unique<test::FakePeer>(4);
    EventLoop::Handler on_event;
    unsigned notified = 0;
    SocketPlace place;
    std::unique_ptr<DeviceHost> host;
};

TEST_F(ChannelTest, APtyIsThereBeforeTheGuestAndCarriesTextBothWays)
{
    start();
    create("pty");
    EXPECT_EQ(store.at(back + "/state"), "2");
    const dom0::Fd tty = open_tty();
    guest_connects();
    EXPECT_EQ(store.at(back + "/state"), "4");
    guest_says("hello");
    char text[16]{};
    EXPECT_EQ(read(tty.get(), text, sizeof text), 5);
    EXPECT_STREQ(text, "hello");
    ASSERT_EQ(write(tty.get(), "answer", 6), 6);
    settle();
    EXPECT_EQ(guest_hears(), "answer");
}

TEST_F(ChannelTest, ASocketIsThereBeforeTheGuestAndKeepsWhatIsSentToIt)
{
    start();
    create("socket", place.path);
    EXPECT_EQ(store.at(back + "/state"), "2");
    const dom0::Fd client = place.client();
    say(client, "early");
    settle();
    guest_connects();
    EXPECT_EQ(guest_hears(), "early");
    guest_says("hello");
    EXPECT_EQ(heard(client), "hello");
}

TEST_F(ChannelTest, TheFirstConsoleAndQemusAreLeftAlone)
{
    start();
    store.write("/local/domain/0/backend/console/1/0/frontend", "/local/domain/1/console");
    store.write("/local/domain/0/backend/console/1/0/state", "1");
    store.write(front + "/type", "ioemu");
    store.write(front + "/state", "1");
    store.write(back + "/frontend", front);
    store.write(back + "/state", "1");
    settle();
    EXPECT_EQ(host->devices(), 0u);
    EXPECT_EQ(store.at(back + "/state"), "1");
}

TEST_F(ChannelTest, WhatCannotBeHadIsSaid)
{
    start();
    std::ofstream(place.path) << "a file";
    create("socket", place.path);
    EXPECT_EQ(store.at(back + "/hotplug-status"), "error");
    EXPECT_NE(store.at(back + "/hotplug-error").find("there is a file already"), std::string::npos);
    EXPECT_TRUE(place.exists());
    store.remove(back);
    settle();
    create("pigeon");
    EXPECT_NE(store.at(back + "/hotplug-error").find("'pigeon'"), std::string::npos);
}

// What the daemon's successor finds: the store as it was, the ring, a socket that nobody listens at.
TEST_F(ChannelTest, ASuccessorGoesOnUnnoticedByTheGuest)
{
    start();
    create("socket", place.path);
    guest_connects();
    host.reset();
    place.leave_socket(); // we were killed, and did not remove it
    for (const char letter : std::string("meanwhile"))
        page().out[page().out_prod++ % sizeof(ConsoleRing::Page::out)] = letter;
    start();
    EXPECT_EQ(store.at(back + "/state"), "4");
    EXPECT_GE(notified, 1u);
    const dom0::Fd client = place.client();
    settle();
    EXPECT_EQ(heard(client), "meanwhile");
    say(client, "again");
    settle();
    EXPECT_EQ(guest_hears(), "again");
}

TEST_F(ChannelTest, RemovalLeavesNothing)
{
    start();
    create("socket", place.path);
    guest_connects();
    const dom0::Fd client = place.client();
    settle();
    store.remove(front);
    store.write(back + "/online", "0");
    store.write(back + "/state", "5");
    settle();
    EXPECT_EQ(store.at(back + "/state"), "6");
    EXPECT_FALSE(place.exists());
    EXPECT_EQ(peer->mappings(), 0u);
    EXPECT_EQ(heard(client), "(end)");
    store.remove(back);
    settle();
    EXPECT_EQ(host->devices(), 0u);
}

TEST_F(ChannelTest, ADeviceThatIsRemovedWhileNoDaemonLivesLeavesNoSocket)
{
    place.leave_socket();
    store.write(back + "/frontend", front);
    store.write(back + "/connection", "socket");
    store.write(back + "/path", place.path);
    store.write(back + "/online", "0");
    store.write(back + "/state", "5");
    start();
    EXPECT_EQ(store.at(back + "/state"), "6");
    EXPECT_FALSE(place.exists());
}

TEST_F(ChannelTest, AFrontendThatBreaksTheRulesLosesItsChannelAlone)
{
    start();
    create("pty");
    guest_connects();
    const std::string tty = store.at(front + "/tty");
    page().out_prod = page().out_cons + 2049;
    on_event();
    settle();
    EXPECT_EQ(store.at(back + "/state"), "5");
    EXPECT_NE(store.at(back + "/error").find("output index"), std::string::npos);
    EXPECT_EQ(peer->mappings(), 0u);
    page() = {};
    store.write(front + "/state", "6");
    settle();
    store.write(front + "/state", "1"); // it starts anew
    settle();
    guest_connects();
    EXPECT_EQ(store.at(back + "/state"), "4");
    guest_says("better");
    char text[16]{};
    EXPECT_EQ(read(open_tty().get(), text, sizeof text), 6);
    EXPECT_EQ(store.at(front + "/tty"), tty);
}

TEST_F(ChannelTest, NonsenseForARingIsRefused)
{
    const std::pair<const char*, const char*> nonsense[] = {{"99", "7"}, {"", "7"},           {"1", ""},
                                                            {"-1", "7"}, {"4294967296", "7"}, {"1", "many"}};
    start();
    create("pty");
    for (const auto& [ring, port] : nonsense) {
        store.write(front + "/ring-ref", ring);
        store.write(front + "/port", port);
        store.write(front + "/state", "3");
        settle();
        EXPECT_EQ(store.at(back + "/state"), "5") << ring << " " << port;
        EXPECT_EQ(peer->mappings(), 0u);
        store.write(front + "/state", "6");
        settle();
        store.write(front + "/state", "1");
        settle();
    }
    guest_connects();
    EXPECT_EQ(store.at(back + "/state"), "4");
}

}

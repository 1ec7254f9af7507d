// The daemon is killed, again and again, at any instruction, and nobody who speaks with it can tell.
//
// The test is the supervisor, with the init's own Keeper, and all of the clients: processes on sockets and domains on
// rings. Each knows what every reply has to be and which events have to come, in which order and how often.
// $XENSTORE_KILLS says how often to kill, $XENSTORE_SEED from where the dice start.
#include "dom0/init/keeper.hpp"
#include "xenstore/client/socket.hpp"
#include "xenstore/daemon/ring_link.hpp"
#include "xenstore/store/message.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <random>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

using Type = XsMessageType;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

unsigned number_from(const char* variable, unsigned otherwise)
{
    const char* text = std::getenv(variable);
    return text ? static_cast<unsigned>(std::atoi(text)) : otherwise;
}

std::string text_of(std::string bytes)
{
    std::replace(bytes.begin(), bytes.end(), '\0', '|');
    return bytes;
}
std::string payload_of(std::string text)
{
    std::replace(text.begin(), text.end(), '|', '\0');
    return text;
}

/// The daemon, its keeper, and the folder they work in.
class Host {
public:
    Host()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "xenstored.XXXXXX").string();
        folder = mkdtemp(pattern.data());
        path = folder + "/socket";
        setenv("XENSTORED_PATH", path.c_str(), 1);
        setenv("FAKE_DOMAINS", folder.c_str(), 1);
        add_ring(0);
        keeper = std::make_unique<init::Keeper>(path);
    }
    ~Host()
    {
        if (daemon > 0) {
            kill(daemon, SIGKILL);
            waitpid(daemon, nullptr, 0);
        }
        std::filesystem::remove_all(folder);
    }

    RingLink::Page& add_ring(u16 domain)
    {
        const int file = open((folder + "/ring-" + std::to_string(domain)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        EXPECT_EQ(ftruncate(file, page_size), 0);
        void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        return *static_cast<RingLink::Page*>(page);
    }

    void start(bool is_traced = false)
    {
        const int channel = keeper->connect_service();
        daemon = fork();
        if (daemon == 0) {
            if (is_traced)
                ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
            fcntl(channel, F_SETFD, 0);
            setenv(dom0::keeper_variable, std::to_string(channel).c_str(), 1);
            execl("build/tests/bin/xenstored-for-tests", "xenstored", "--no-fork", "--init-dom0", "--log-file",
                  (folder + "/log").c_str(), nullptr);
            _exit(127);
        }
        close(channel);
        ++starts;
        if (!is_traced)
            return;
        waitpid(daemon, nullptr, 0); // it begins with a stop
        ptrace(PTRACE_CONT, daemon, nullptr, nullptr);
    }

    void start_if_dead()
    {
        if (waitpid(daemon, nullptr, WNOHANG) == daemon)
            start();
    }

    /// Kills the daemon, and starts another one.
    void kill_daemon(bool is_traced = false)
    {
        kill(daemon, SIGKILL);
        int status = 0;
        do
            waitpid(daemon, &status, 0);
        while (WIFSTOPPED(status));
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it had ended by itself: " << log();
        start(is_traced);
    }

    /// A copy of the daemon that tells it from the others.
    std::string daemon_copy(unsigned number) const
    {
        std::string file = folder + "/xenstored-" + std::to_string(number);
        std::filesystem::copy_file("build/tests/bin/xenstored-for-tests", file,
                                   std::filesystem::copy_options::skip_existing);
        return file;
    }
    std::string running_file() const
    {
        return std::filesystem::read_symlink("/proc/" + std::to_string(daemon) + "/exe").string();
    }

    /// A traced one stops where it is.
    void stop()
    {
        kill(daemon, SIGSTOP);
        waitpid(daemon, nullptr, 0);
    }
    /// Goes on by one `request` of ptrace. @return whether it stopped again; it does not if it waits for something
    bool go_on(int request)
    {
        ptrace(static_cast<__ptrace_request>(request), daemon, nullptr, nullptr);
        const Clock::time_point limit = Clock::now() + 100ms;
        for (int i = 0; waitpid(daemon, nullptr, WNOHANG) == 0; ++i) {
            if (Clock::now() > limit)
                return false;
            if (i > 100)
                usleep(50);
        }
        return true;
    }

    void send_event(u16 what)
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder + "/events").copy(address.sun_path, sizeof address.sun_path - 1);
        sendto(sender, &what, sizeof what, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }

    std::string log() const
    {
        std::ifstream file(folder + "/log");
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::string folder;
    std::string path;
    std::unique_ptr<init::Keeper> keeper;
    pid_t daemon = -1;
    int starts = 0;
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

/// A way to the daemon that does not block.
class Wire {
public:
    virtual ~Wire() = default;
    virtual std::size_t write(std::string_view bytes) = 0;
    virtual std::string read() = 0;
};

class SocketWire : public Wire {
public:
    explicit SocketWire(const Host& host) : fd_(connect_to_socket(host.path))
    {
        EXPECT_GE(fd_, 0);
        fcntl(fd_, F_SETFL, O_NONBLOCK);
    }
    ~SocketWire() override { close(fd_); }
    std::size_t write(std::string_view bytes) override
    {
        const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        EXPECT_TRUE(sent >= 0 || errno == EAGAIN) << std::strerror(errno);
        return sent < 0 ? 0 : static_cast<std::size_t>(sent);
    }
    std::string read() override
    {
        char buffer[5000];
        const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
        EXPECT_TRUE(got > 0 || (got < 0 && errno == EAGAIN)) << "the connection was lost";
        return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
    }

private:
    int fd_;
};

class RingWire : public Wire {
public:
    RingWire(Host& host, u16 domain) : host_(host), domain_(domain), page_(host.add_ring(domain)) {}
    ~RingWire() override { munmap(&page_, page_size); }
    std::size_t write(std::string_view bytes) override
    {
        const u32 producer = page_.req_prod;
        const u32 used = producer - std::atomic_ref(page_.req_cons).load();
        EXPECT_LE(used, abi::io::xenstore_ring_size);
        const std::size_t count = std::min<std::size_t>(bytes.size(), abi::io::xenstore_ring_size - used);
        for (std::size_t i = 0; i < count; ++i)
            page_.req[(producer + i) % abi::io::xenstore_ring_size] = bytes[i];
        std::atomic_ref(page_.req_prod).store(producer + static_cast<u32>(count));
        host_.send_event(domain_);
        return count;
    }
    std::string read() override
    {
        const u32 consumer = page_.rsp_cons;
        const u32 available = std::atomic_ref(page_.rsp_prod).load() - consumer;
        EXPECT_LE(available, abi::io::xenstore_ring_size);
        std::string bytes;
        for (u32 i = 0; i < available; ++i)
            bytes += page_.rsp[(consumer + i) % abi::io::xenstore_ring_size];
        std::atomic_ref(page_.rsp_cons).store(consumer + available);
        if (available > 0)
            host_.send_event(domain_);
        return bytes;
    }

private:
    Host& host_;
    u16 domain_;
    RingLink::Page& page_;
};

/// A client that knows what it has to hear.
class Actor {
public:
    Actor(std::unique_ptr<Wire> wire, std::string home) : home_(std::move(home)), wire_(std::move(wire)) {}

    /// `then` gets the reply; for an error, its name.
    using Then = std::function<void(const std::string&)>;
    void ask(Type type, const std::string& payload, Then then, u32 transaction = 0)
    {
        waiting_.push_back({next_id_, type, std::move(then)});
        unsent_ += encode({type, next_id_++, transaction, payload_of(payload)});
    }
    void expect(Type type, const std::string& payload, const std::string& reply, u32 transaction = 0)
    {
        ask(
            type, payload,
            [=, this](const std::string& got) {
                EXPECT_EQ(got, reply) << home_ << ": " << name_of(type) << " " << payload;
            },
            transaction);
    }

    /// Moves bytes. @return whether anything moved
    bool move()
    {
        if (!wire_)
            return false;
        const std::size_t written = unsent_.empty() ? 0 : wire_->write(unsent_);
        unsent_.erase(0, written);
        const std::string bytes = wire_->read();
        assembler_.append(bytes);
        for (;;) {
            Result<std::optional<Message>> next = assembler_.next();
            EXPECT_TRUE(next.ok());
            std::optional<Message> message = next.take();
            if (!message)
                break;
            take(*message);
        }
        return written > 0 || !bytes.empty();
    }
    std::size_t outstanding() const { return waiting_.size(); }

    std::function<void(const std::string& path, const std::string& token)> on_event;
    std::size_t replies = 0;
    const std::string home_;
    std::map<std::string, std::string> mine; ///< the nodes below home that only we touch

private:
    struct Waiting {
        u32 id;
        Type type;
        Then then;
    };

    void take(const Message& message)
    {
        const std::string text = text_of(message.payload);
        if (message.type == Type::watch_event) {
            const std::size_t bar = text.find('|');
            ASSERT_TRUE(on_event) << home_ << " gets an event that it did not ask for: " << text;
            on_event(text.substr(0, bar), text.substr(bar + 1, text.size() - bar - 2));
            return;
        }
        ASSERT_FALSE(waiting_.empty()) << home_ << " gets a reply twice: " << text;
        const Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        ++replies;
        EXPECT_EQ(message.req_id, waiting.id) << home_;
        EXPECT_TRUE(message.type == waiting.type || message.type == Type::error);
        waiting.then(message.type == Type::error ? text.substr(0, text.size() - 1) : text);
    }

    std::unique_ptr<Wire> wire_;
    std::string unsent_;
    Assembler assembler_;
    std::deque<Waiting> waiting_;
    u32 next_id_ = 1;
};

/// Many actors, what they do, and what is true in the end.
class Play {
public:
    Play(unsigned seed, unsigned processes, unsigned guests, bool is_traced = false) : random_(seed)
    {
        host_.start(is_traced);
        for (unsigned i = 0; i < processes; ++i)
            add(std::make_unique<SocketWire>(host_), "/p" + std::to_string(i));
        Actor& dom0 = *actors_[0];
        for (unsigned i = 1; i <= guests; ++i) {
            const std::string number = std::to_string(i);
            add(std::make_unique<RingWire>(host_, static_cast<u16>(i)), "/local/domain/" + number);
            dom0.expect(Type::mkdir, "/local/domain/" + number + "|", "OK|");
            dom0.expect(Type::introduce, number + "|100|7|", "OK|");
            dom0.expect(Type::set_perms, "/local/domain/" + number + "|n" + number + "|r0|", "OK|");
        }
        dom0.expect(Type::write, "/counter|0", "OK|");
        settle();
        dom0.expect(Type::set_perms, "/counter|b0|", "OK|");
        for (std::size_t i = 0; i < actors_.size(); ++i)
            watch_neighbour(i);
        settle();
    }

    /// Kills so often while all are busy, and looks at what is left.
    void run(unsigned kills)
    {
        const int until = host_.starts + static_cast<int>(kills);
        std::size_t replies_at_kill = replies();
        std::size_t wanted = 0;
        Clock::time_point at_once{};
        while (host_.starts < until && !testing::Test::HasFailure()) {
            keep_busy();
            if (random_() % 300 == 0)
                replace_visitor();
            const bool is_due =
                at_once != Clock::time_point{} ? Clock::now() >= at_once : replies() >= replies_at_kill + wanted;
            if (!is_due)
                continue;
            usleep(random_() % 300);
            host_.kill_daemon();
            replies_at_kill = replies();
            wanted = random_() % 60;
            // One in four hits the start of the next daemon, wherever that is by then.
            at_once = random_() % 4 ? Clock::time_point{} : Clock::now() + std::chrono::microseconds(random_() % 8000);
        }
        settle();
        check();
    }

    /// Puts another binary in its place so often while all are busy; every second time it is killed on the way.
    void update(unsigned times)
    {
        for (unsigned i = 0; i < times && !testing::Test::HasFailure(); ++i) {
            std::string verdict;
            const std::string file = host_.daemon_copy(i % 3);
            ask_for_update(file, verdict);
            const bool is_killed = i % 2 == 1;
            const Clock::time_point kill_at = Clock::now() + std::chrono::microseconds(random_() % 8000);
            for (bool was_killed = !is_killed; verdict.empty() || !was_killed;) {
                keep_busy();
                if (was_killed || Clock::now() < kill_at)
                    continue;
                host_.kill_daemon();
                was_killed = true;
            }
            EXPECT_TRUE(verdict == "OK|" || (is_killed && verdict.starts_with("the new daemon died"))) << verdict;
            EXPECT_TRUE(is_killed || host_.running_file() == file) << host_.running_file();
        }
        settle();
        check();
    }

    /// What cannot take its place is refused, and where it dies in its place, the old one goes on; with a reason each.
    void fail_to_update()
    {
        const std::string broken = host_.folder + "/broken";
        std::ofstream(broken) << "#!/bin/sh\n# xenstored's journal is of version 3\nexit 1\n";
        std::filesystem::permissions(broken, std::filesystem::perms::owner_all);
        const std::pair<std::string, std::string> cases[] = {
            {"xenstored", "give its whole path"},
            {host_.folder + "/none", "No such file"},
            {host_.folder + "/log", "Permission denied"},
            {"/bin/true", "is no xenstored that understands"},
            {broken, "the new daemon died"},
        };
        for (const auto& [file, reason] : cases) {
            std::string verdict;
            ask_for_update(file, verdict);
            const Clock::time_point limit = Clock::now() + 20s;
            while (verdict.empty() && Clock::now() < limit) {
                keep_busy();
                host_.start_if_dead();
            }
            EXPECT_NE(verdict.find(reason), std::string::npos) << file << ": " << verdict;
        }
        settle();
        check();
    }

    /// Kills so often on the way through what all ask for: before and after each system call in its turn, or any number
    /// of instructions after one of them.
    enum class Pace { system_calls, instructions };
    void step_through(Pace pace, unsigned kills)
    {
        unsigned next = 0;
        for (unsigned i = 0; i < kills && !testing::Test::HasFailure(); ++i) {
            for (auto& actor : actors_)
                for (int acts = 0; acts < 3; ++acts)
                    act(*actor);
            host_.stop();
            for (auto& actor : actors_)
                actor->move();
            const unsigned calls = pace == Pace::system_calls ? next++ : random_() % 60;
            const unsigned instructions = pace == Pace::system_calls ? 0 : random_() % 1500;
            bool is_busy = true; // it waits for nothing
            for (unsigned step = 0; step < calls + instructions && is_busy; ++step)
                is_busy = host_.go_on(step < calls ? PTRACE_SYSCALL : PTRACE_SINGLESTEP);
            if (!is_busy)
                next = 0;
            host_.kill_daemon(true);
            settle();
        }
        check();
    }

private:
    void ask_for_update(const std::string& file, std::string& verdict)
    {
        Actor& dom0 = *actors_[0];
        dom0.expect(Type::control, "live-update|-f|" + file + "|", "OK|");
        dom0.ask(Type::control, "live-update|-s|-t|60|", [&](const std::string& reply) { verdict = reply; });
    }

    void keep_busy()
    {
        for (auto& actor : actors_)
            while (actor->outstanding() < 4)
                act(*actor);
        step();
    }

    void add(std::unique_ptr<Wire> wire, const std::string& home)
    {
        actors_.push_back(std::make_unique<Actor>(std::move(wire), home));
    }

    std::size_t replies() const
    {
        std::size_t sum = 0;
        for (const auto& actor : actors_)
            sum += actor->replies;
        return sum;
    }

    bool step()
    {
        host_.keeper->serve();
        bool has_moved = false;
        for (auto& actor : actors_)
            has_moved |= actor->move();
        if (visitor_)
            visitor_->move();
        if (!has_moved)
            usleep(200);
        return has_moved;
    }

    /// Until everyone has his replies and nothing comes any more.
    void settle()
    {
        const Clock::time_point limit = Clock::now() + 60s;
        int quiet = 0;
        while (quiet < 50 && !testing::Test::HasFailure()) {
            const bool waits =
                std::any_of(actors_.begin(), actors_.end(), [](const auto& actor) { return actor->outstanding() > 0; });
            quiet = step() || waits || is_owed_events() ? 0 : quiet + 1;
            ASSERT_LT(Clock::now(), limit) << "somebody waits in vain\n" << host_.log();
        }
    }

    /// Actor i watches what actor i+1 writes below its home, where each name is used again only after all others.
    void watch_neighbour(std::size_t i)
    {
        const std::size_t next = (i + 1) % actors_.size();
        Actor& watcher = *actors_[i];
        const std::string path = actors_[next]->home_ + "/event";
        written_.resize(actors_.size());
        told_.resize(actors_.size());
        actors_[next]->expect(Type::write, path + "|", "OK|");
        actors_[next]->expect(Type::set_perms,
                              path + "|" + (next < processes() ? "b0|" : "b" + guest_number(next) + "|"), "OK|");
        settle();
        watcher.expect(Type::watch, path + "|token|", "OK|");
        watcher.on_event = [=, this](const std::string& got, const std::string& token) {
            EXPECT_EQ(token, "token");
            const unsigned number = told_[next]++;
            EXPECT_EQ(got, number == 0 ? path : path + "/" + std::to_string((number - 1) % 500))
                << "event " << number << " of " << path;
        };
        written_[next] = 1; // the first event is that of the watch itself
    }

    std::size_t processes() const
    {
        return static_cast<std::size_t>(std::count_if(
            actors_.begin(), actors_.end(), [](const auto& actor) { return actor->home_.starts_with("/p"); }));
    }
    std::string guest_number(std::size_t i) const { return actors_[i]->home_.substr(std::strlen("/local/domain/")); }

    bool is_owed_events() const { return told_ != written_; }

    std::size_t index_of(const Actor& actor) const
    {
        return static_cast<std::size_t>(
            std::find_if(actors_.begin(), actors_.end(), [&](const auto& each) { return each.get() == &actor; }) -
            actors_.begin());
    }

    void act(Actor& actor)
    {
        const std::string name = "key" + std::to_string(random_() % 8);
        const std::string path = actor.home_ + "/" + name;
        const auto known = actor.mine.find(name);
        switch (random_() % 9) {
        case 0:
        case 1:
            actor.mine[name] =
                std::string(random_() % 40, static_cast<char>('a' + random_() % 26)) + std::to_string(++serial_);
            actor.expect(Type::write, path + "|" + actor.mine[name], "OK|");
            return;
        case 2:
        case 3:
            actor.expect(Type::read, path + "|", known == actor.mine.end() ? "ENOENT" : known->second);
            return;
        case 4:
            actor.expect(Type::rm, path + "|", "OK|");
            actor.mine.erase(name);
            return;
        case 5: {
            const std::size_t me = index_of(actor);
            if (written_[me] - told_[me] > 300)
                return act(actor);
            actor.expect(Type::write,
                         actor.home_ + "/event/" + std::to_string((written_[me] - 1) % 500) + "|" +
                             std::to_string(++serial_),
                         "OK|");
            ++written_[me];
            return;
        }
        case 6:
            count_up(actor);
            return;
        case 7:
            write_twice_at_once(actor);
            return;
        default:
            if (actor.home_.starts_with("/p"))
                actor.expect(Type::get_domain_path, "7|", "/local/domain/7|");
            else
                actor.expect(Type::control, "check|", "EACCES");
        }
    }

    /// What is counted by all is counted once each time.
    void count_up(Actor& actor)
    {
        actor.ask(Type::transaction_start, "|", [&actor, this](const std::string& id) {
            const u32 transaction = static_cast<u32>(std::atoi(id.c_str()));
            ASSERT_GT(transaction, 0U) << actor.home_ << ": " << id;
            actor.ask(
                Type::read, "/counter|",
                [&actor, transaction, this](const std::string& value) {
                    const unsigned next = static_cast<unsigned>(std::atoi(value.c_str())) + 1;
                    actor.expect(Type::write, "/counter|" + std::to_string(next), "OK|", transaction);
                    actor.ask(
                        Type::transaction_end, "T|",
                        [this](const std::string& verdict) {
                            EXPECT_TRUE(verdict == "OK|" || verdict == "EAGAIN") << verdict;
                            counted_ += verdict == "OK|" ? 1 : 0;
                        },
                        transaction);
                },
                transaction);
        });
    }

    /// What is given up leaves no trace.
    void write_twice_at_once(Actor& actor)
    {
        actor.ask(Type::transaction_start, "|", [&actor, this](const std::string& id) {
            const u32 transaction = static_cast<u32>(std::atoi(id.c_str()));
            ASSERT_GT(transaction, 0U) << actor.home_ << ": " << id;
            const std::string value = std::to_string(++serial_);
            actor.expect(Type::write, actor.home_ + "/twin/a|" + value, "OK|", transaction);
            actor.expect(Type::write, actor.home_ + "/twin/b|" + value, "OK|", transaction);
            actor.expect(Type::read, actor.home_ + "/twin/a|", value, transaction);
            actor.expect(Type::transaction_end, "F|", "OK|", transaction);
            actor.expect(Type::read, actor.home_ + "/twin/a|", "ENOENT");
        });
    }

    /// Somebody who comes, asks, and goes without a word.
    void replace_visitor()
    {
        visitor_.reset();
        visitor_ = std::make_unique<Actor>(std::make_unique<SocketWire>(host_), "visitor");
        visitor_->on_event = [](const std::string&, const std::string&) {};
        visitor_->expect(Type::watch, "/|" + std::to_string(++serial_) + "|", "OK|");
        visitor_->ask(Type::transaction_start, "|", [](const std::string&) {});
    }

    void check()
    {
        visitor_.reset();
        for (int i = 0; i < 20; ++i)
            step();
        Actor& dom0 = *actors_[0];
        dom0.expect(Type::control, "check|", "OK|");
        dom0.expect(Type::read, "/counter|", std::to_string(counted_));
        for (const auto& actor : actors_) {
            for (int i = 0; i < 8; ++i) {
                const std::string name = "key" + std::to_string(i);
                const auto known = actor->mine.find(name);
                dom0.expect(Type::read, actor->home_ + "/" + name + "|",
                            known == actor->mine.end() ? "ENOENT" : known->second);
            }
        }
        settle();
        EXPECT_EQ(told_, written_);
        EXPECT_EQ(host_.keeper->clients(), processes()); // those who went are forgotten by all
    }

    std::mt19937 random_;
    Host host_;
    std::vector<std::unique_ptr<Actor>> actors_;
    std::unique_ptr<Actor> visitor_;
    std::vector<unsigned> written_; ///< events that each actor has caused for its watcher
    std::vector<unsigned> told_;    ///< those that arrived
    unsigned counted_ = 0;
    unsigned serial_ = 0;
};

}

TEST(Kill, NobodyCanTellHoweverOftenItHappensUnderLoad)
{
    Play play(number_from("XENSTORE_SEED", 1), 6, 3);
    play.run(number_from("XENSTORE_KILLS", 40));
}

TEST(Kill, NobodyCanTellWhenAnotherBinaryTakesItsPlace)
{
    Play play(number_from("XENSTORE_SEED", 1), 6, 3);
    play.update(number_from("XENSTORE_KILLS", 40) / 4); // one takes as long as several kills
}

TEST(Kill, WhatCannotTakeItsPlaceIsRefusedWithAReason)
{
    Play play(number_from("XENSTORE_SEED", 1), 3, 1);
    play.fail_to_update();
}

TEST(Kill, NobodyCanTellAroundWhichSystemCallItHappens)
{
    Play play(number_from("XENSTORE_SEED", 1), 2, 2, true);
    play.step_through(Play::Pace::system_calls, number_from("XENSTORE_KILLS", 80));
}

TEST(Kill, NobodyCanTellAfterWhichInstructionItHappens)
{
    Play play(number_from("XENSTORE_SEED", 1), 2, 2, true);
    play.step_through(Play::Pace::instructions, number_from("XENSTORE_KILLS", 30));
}

}

// The account of a domain: which lines are about it, what the states of its devices mean, how it is kept and told.
#include "hypervisor/abi/domctl.hpp"
#include "tests/unit/xl_monitoring/samples.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/kept.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace xylem::xl {

namespace {

using enum abi::io::XenbusState;
using testing::HasSubstr;

struct KeptAccounts : testing::Test {
    ~KeptAccounts() override { std::filesystem::remove_all(folder); }
    std::string folder = testing::TempDir() + fmt::format("xylem-kept-{}", getpid());
};

Account account(u16 domain, std::string followed = "destroy")
{
    return {"web",
            "uuid",
            domain,
            "2026-11-27 03:10:11",
            true,
            "has crashed",
            std::move(followed),
            {{"disk xvda (/a.img)", "closed", "connected", "it failed: disk full"}},
            {{"2026-11-27 03:10:10", "xl", "domain 5 has shut down"},
             {"", "hypervisor", "d5 crashed: triple fault"},
             {"", "console", "last word \xff"}}};
}

}

TEST(Account, TakesOnlyTheLinesAboutItsDomain)
{
    for (const char* line : {"(xylem) d5v0 shuts the domain down, reason 3", "(xylem) d5: ended", "d5 crashed: why",
                             "2026-11-27 03:10:11 xylem-blkback: vbd 5/51712: connected", "vif 5/0: gone",
                             "waiting for the end of domain 'web', id 5", "domain 5 is gone", "(XEN) Domain 5 crashed"})
        EXPECT_TRUE(mentions(line, 5)) << line;
    for (const char* line : {"d55v0 runs", "ad5 x", "d5x", "vbd 55/51712", "id 51", "domain 50 is gone", "vbd 1/5", ""})
        EXPECT_FALSE(mentions(line, 5)) << line;
}

TEST(Account, AnEventHasTheTimeOfItsLine)
{
    const Event timed = event_of("xylem-blkback", "2026-11-27 03:10:11 xylem-blkback: vbd 5/51712: connected");
    EXPECT_EQ(timed.time, "2026-11-27 03:10:11");
    EXPECT_EQ(timed.text, "vbd 5/51712: connected");
    EXPECT_EQ(event_of("hypervisor", "d5: ended").time, "");
    EXPECT_EQ(event_of("x", "2026-11-27 03:1").text, "2026-11-27 03:1");
    EXPECT_EQ(event_of("console", "a\033[2Jb\r").text, "a?[2Jb") << "a guest's words steer no terminal";
    EXPECT_EQ(event_of("console", std::string(1000, 'x')).text.size(), 240u);
}

TEST(Account, KeepsTheLastOfManyLines)
{
    std::string log;
    for (int i = 0; i < 100; ++i)
        log += fmt::format("d5 line {}\nd6 line {}\n\n", i, i);
    const auto events = events_about(5, "hypervisor", log, 12);
    ASSERT_EQ(events.size(), 12u);
    EXPECT_EQ(events.front().text, "d5 line 88");
    EXPECT_EQ(last_words("a\n\n \r\nb", 1).front().text, "b");
    EXPECT_TRUE(last_words("", 3).empty());
    const auto panicked = last_words("up\nKernel panic - not syncing: VFS\ntrace\nmore\nend\n", 2);
    ASSERT_EQ(panicked.size(), 2u);
    EXPECT_EQ(panicked.front().text, "Kernel panic - not syncing: VFS");
    EXPECT_EQ(panicked.back().text, "end");
}

TEST(Account, ReadsTheEndOfAFileFromTheBeginningOfALine)
{
    const std::string path = testing::TempDir() + fmt::format("xylem-tail-{}", getpid());
    std::ofstream(path) << "first\nsecond\nthird\n";
    EXPECT_EQ(tail_of(path, 100), "first\nsecond\nthird\n");
    EXPECT_EQ(tail_of(path, 10), "third\n");
    EXPECT_EQ(tail_of(path, 1), "");
    EXPECT_EQ(tail_of(path + "-none", 10), "");
    std::filesystem::remove(path);
}

TEST(Account, SaysWhatADeviceWaitsFor)
{
    EXPECT_EQ(meaning_of(connected, connected, ""), "it works");
    EXPECT_EQ(meaning_of(closed, connected, "disk full"), "it failed: disk full");
    EXPECT_THAT(meaning_of(initialising, initialising, ""), HasSubstr("no backend has taken it up"));
    EXPECT_THAT(meaning_of(init_wait, initialising, ""), HasSubstr("waits for the guest's driver"));
    EXPECT_THAT(meaning_of(init_wait, initialised, ""), HasSubstr("waits for the backend"));
    EXPECT_THAT(meaning_of(closing, connected, ""), HasSubstr("the guest has yet to let go"));
    EXPECT_THAT(meaning_of(connected, closed, ""), HasSubstr("the guest has closed it"));
    for (int back = 0; back <= 8; ++back)
        for (int front = 0; front <= 8; ++front)
            EXPECT_NE(meaning_of(static_cast<abi::io::XenbusState>(back), static_cast<abi::io::XenbusState>(front), ""),
                      "");
}

TEST(Account, SaysHowADomainIsOrEnded)
{
    const auto shut_down = [](u32 reason) { return abi::dominf_shutdown | reason << abi::dominf_shutdownshift; };
    EXPECT_EQ(verdict_of(abi::dominf_running, 10), "runs");
    EXPECT_EQ(verdict_of(abi::dominf_blocked, 10), "waits for events");
    EXPECT_THAT(verdict_of(abi::dominf_paused | abi::dominf_running, 10), HasSubstr("xl unpause"));
    EXPECT_EQ(verdict_of(shut_down(0), 10), "powered itself off");
    EXPECT_EQ(verdict_of(shut_down(3), 10), "has crashed");
    EXPECT_THAT(verdict_of(shut_down(99), 10), HasSubstr("99"));
    EXPECT_THAT(verdict_of(abi::dominf_dying | shut_down(3), 7), HasSubstr("7 pages"));

    const std::vector<Event> hypervisor_says{{"", "hypervisor", "(xylem) d5 crashed: triple fault"}};
    EXPECT_EQ(verdict_with("has crashed", hypervisor_says), "has crashed: triple fault");
    const std::vector<Event> guest_says{{"", "console", "[ 1.0] Kernel panic - not syncing: VFS"},
                                        {"", "hypervisor", "(xylem) d5 crashed: no more"}};
    EXPECT_EQ(verdict_with("has crashed", guest_says), "has crashed: Kernel panic - not syncing: VFS");
    EXPECT_EQ(verdict_with("runs", guest_says), "runs") << "an old word of its console is no reason now";
}

TEST(Account, IsToldInOrder)
{
    EXPECT_EQ(text_of(account(5)), "Domain 'web', id 5, has crashed.\n"
                                   "That was noted at 2026-11-27 03:10:11.\n"
                                   "What followed: destroy.\n"
                                   "\nIts devices at that time:\n"
                                   "  disk xvda (/a.img): it failed: disk full (backend closed, guest connected)\n"
                                   "\nWhat was noted, in order of time:\n"
                                   "  2026-11-27 03:10:10  xl: domain 5 has shut down\n"
                                   "\nThe hypervisor's log:\n"
                                   "  d5 crashed: triple fault\n"
                                   "\nThe last words on its console:\n"
                                   "  last word \xff\n");
}

TEST_F(KeptAccounts, AreThoseOfTheLastFewOfAName)
{
    EXPECT_TRUE(kept_of(folder, "web").empty());
    for (u16 domain = 1; domain <= 9; ++domain)
        keep(folder, account(domain));
    const auto kept = kept_of(folder, "web");
    ASSERT_EQ(kept.size(), 4u);
    EXPECT_EQ(kept.front().domain, 6);
    EXPECT_EQ(kept.back().domain, 9);
    EXPECT_EQ(kept.back().events.at(2).text, "last word ?") << "what is no UTF-8 is no JSON";
    EXPECT_EQ(kept.back().devices.at(0).meaning, "it failed: disk full");
    EXPECT_TRUE(kept_of(folder, "other").empty());
}

TEST_F(KeptAccounts, OfOneDomainThereIsOne)
{
    keep(folder, account(5, "preserve"));
    keep(folder, account(5, "destroyed by xl destroy"));
    const auto kept = kept_of(folder, "web");
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ(kept[0].followed, "preserve; destroyed by xl destroy");
}

TEST_F(KeptAccounts, ThereAreNotMoreNamesThanABoundedNumber)
{
    for (int i = 0; i < 270; ++i) {
        Account one = account(1);
        one.name = fmt::format("guest{}", i);
        one.events.clear();
        keep(folder, one);
    }
    const auto files = std::distance(std::filesystem::directory_iterator(folder), {});
    EXPECT_EQ(files, 256);
    EXPECT_EQ(kept_of(folder, "guest269").size(), 1u);
}

TEST_F(KeptAccounts, BearAFileThatSomebodyElseWrote)
{
    std::filesystem::create_directories(folder);
    for (const char* text : {"", "{", "[1]", "[{\"domid\": \"x\"}]", "{\"name\": 1}", "[{}]"}) {
        std::ofstream(folder + "/web.json") << text;
        EXPECT_LE(kept_of(folder, "web").size(), 1u) << text;
    }
    EXPECT_THROW(kept_of(folder, "../web"), Failure);
    EXPECT_THROW(kept_of(folder, ""), Failure);
}

TEST(TopJson, HasEachNumberOfTheScreen)
{
    Sample before = sample_machine();
    const Sample now = before;
    before.at = now.at - std::chrono::seconds(3);
    before.domains[1].cpu_ns = 0;
    const Json json = Json::parse(to_json(now, &before).dump());
    EXPECT_EQ(json["domains"].size(), 3u);
    const Json& guest = json["domains"][1];
    EXPECT_EQ(guest["name"], "a-rather-long-name");
    EXPECT_EQ(guest["cpu_percent"], 50.0);
    EXPECT_EQ(guest["vcpus"][0]["runnable_ns"], 250'000'000);
    EXPECT_EQ(guest["interfaces"][0]["rx"]["bytes"], 2048);
    EXPECT_EQ(guest["disks"][0]["sectors_written"], 64);
    EXPECT_FALSE(guest["disks"][1].contains("reads")) << "nothing is known of it";
    EXPECT_TRUE(json["domains"][0]["max_memory_kib"].is_null());
    EXPECT_TRUE(json["domains"][2]["crashed"].get<bool>());
    EXPECT_TRUE(Json::parse(to_json(now, nullptr).dump())["domains"][0]["cpu_percent"].is_null());
}

}

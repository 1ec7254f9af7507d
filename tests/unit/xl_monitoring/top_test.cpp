// What xl top shows, and what its keys do. The lines are those of xentop 4.17 for the same numbers.
#include "tests/unit/xl_monitoring/samples.hpp"
#include "tools/xl/monitoring/keys.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::xl {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> texts(const std::vector<Line>& lines)
{
    std::vector<std::string> all;
    for (const Line& line : lines)
        all.push_back(text_of(line));
    return all;
}

constexpr const char* header = "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS "
                               "NETTX(k) NETRX(k) VBDS   VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID";

void press(View& view, std::string bytes, std::size_t domains = 3)
{
    while (const auto key = take_key(bytes, true))
        apply(*key, view, domains);
}

}

TEST(XlTop, ShowsTheColumnsOfXentop)
{
    Sample before = sample_machine();
    Sample now = before;
    before.domains[1].cpu_ns -= 500'000'000;
    before.at = now.at - std::chrono::seconds(2);
    EXPECT_THAT(
        texts(domain_lines(now, &before, {})),
        ElementsAre(header,
                    "a-rather-l --b---          1   25.0     131072   12.5     262144      25.0     2    1        4    "
                    "    2    2        3        7        8         56         64    0",
                    "    broken ---c--          0    0.0     131072   12.5     262144      25.0     1    0        0    "
                    "    0    0        0        0        0          0          0    0",
                    "  Domain-0 -----r         24    0.0     131072   12.5   no limit       n/a     1    0        0    "
                    "    0    0        0        0        0          0          0    0"));
}

TEST(XlTop, ShowsTheDetailsThatAreChosenBelowEachDomain)
{
    const Sample now = sample_machine();
    View view;
    view.vcpus = view.interfaces = view.disks = view.repeat_header = view.full_names = true;
    const auto lines = texts(domain_lines(now, nullptr, view));
    ASSERT_EQ(lines.size(), 3u * 3 + 3);
    EXPECT_THAT(lines[0], HasSubstr("              NAME  STATE"));
    EXPECT_THAT(lines[1], HasSubstr("a-rather-long-name --b---"));
    EXPECT_EQ(lines[2], "VCPUs(sec):   0:          1s");
    EXPECT_EQ(lines[3], "Net0 RX:     2048bytes       20pkts        0err        1drop  TX:     4096bytes       40pkts  "
                        "      0err        0drop");
    EXPECT_EQ(lines[4], "VBD BlkBack 51712 [ca: 0]  OO:        3   RD:        7   WR:        8   RSECT:         56   "
                        "WSECT:         64");
    EXPECT_EQ(lines[5], "VBD Unidentified 51728 [ca:10]  OO:        -   RD:        -   WR:        -   RSECT:          "
                        "-   WSECT:          -");
    EXPECT_EQ(lines[6], lines[0]) << "the header again";
}

TEST(XlTop, SortsByAnyColumnTheMostFirst)
{
    const Sample now = sample_machine();
    const auto first_by = [&](std::string_view column) {
        View view;
        while (column_name(view.sort_column) != column)
            ++view.sort_column;
        return texts(domain_lines(now, nullptr, view))[1].substr(0, 10);
    };
    EXPECT_EQ(first_by("NAME"), "a-rather-l");
    EXPECT_EQ(first_by("STATE"), "a-rather-l") << "blocked before crashed and running";
    EXPECT_EQ(first_by("CPU(sec)"), "  Domain-0");
    EXPECT_EQ(first_by("MAXMEM(k)"), "  Domain-0") << "no limit is the most";
    EXPECT_EQ(first_by("VBD_RD"), "a-rather-l");
    View view;
    view.dom0_first = true;
    EXPECT_THAT(texts(domain_lines(now, nullptr, view))[1], HasSubstr("Domain-0"));
}

TEST(XlTop, DoesNotTakeANumberGivenAnewForItsPredecessor)
{
    const Sample before = sample_machine();
    Sample now = before;
    now.at += std::chrono::seconds(1);
    now.domains[1].cpu_ns = 1;
    EXPECT_EQ(cpu_percent(now.domains[1], now, &before), 0);
}

TEST(XlTop, SumsTheMachineUp)
{
    const auto lines = texts(summary_lines(sample_machine()));
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_THAT(lines[0], testing::MatchesRegex("xentop - ..:..:..   Xen 4.17.0"));
    EXPECT_EQ(lines[1], "3 domains: 1 running, 1 blocked, 0 paused, 1 crashed, 0 dying, 0 shutdown");
    EXPECT_EQ(lines[2], "Mem: 1048576k total, 786432k used, 262144k free    CPUs: 2 @ 2000MHz");
}

TEST(XlTop, KeysChooseWhatIsShown)
{
    View view;
    press(view, "nBvR");
    EXPECT_TRUE(view.interfaces && view.disks && view.vcpus && view.repeat_header);
    press(view, "NxVr");
    EXPECT_FALSE(view.interfaces || view.disks || view.vcpus || view.repeat_header);
    press(view, "sS");
    EXPECT_EQ(view.sort_column, 2u);
    press(view, std::string(column_count() - 2, 's'));
    EXPECT_EQ(view.sort_column, 0u) << "round again";
    press(view, "\033[B\033OB\033[B\033[B");
    EXPECT_EQ(view.first_domain, 2u) << "the last one stays";
    EXPECT_EQ(domain_lines(sample_machine(), nullptr, view).size(), 2u);
    press(view, "\033[A\033[1;5A\033[A");
    EXPECT_EQ(view.first_domain, 0u);
    for (const char* quit : {"q", "Q", "\033"}) {
        std::string bytes = quit;
        EXPECT_EQ(apply(*take_key(bytes, true), view, 3), Wish::quit);
    }
}

TEST(XlTop, TheDelayIsTypedAndTakenOnlyIfItIsOne)
{
    View view;
    press(view, "d1q");
    EXPECT_EQ(text_of(key_line(view)), "  Delay(sec): 1q") << "no key of its usual meaning";
    press(view, "\x7f"
                "2\r");
    EXPECT_EQ(view.delay_seconds, 12u);
    press(view, "d0\r");
    press(view, "dx\r");
    press(view, "d9\033");
    press(view, "d\r");
    EXPECT_EQ(view.delay_seconds, 12u);
    press(view, "d999999999999\r");
    EXPECT_EQ(view.delay_seconds, 86400u);
}

TEST(XlTop, AnEscapeSequenceMayComeInPieces)
{
    std::string bytes = "\033";
    EXPECT_FALSE(take_key(bytes, false));
    bytes += "[";
    EXPECT_FALSE(take_key(bytes, false));
    bytes += "Bq";
    EXPECT_EQ(take_key(bytes, false)->kind, Key::Kind::down);
    EXPECT_EQ(take_key(bytes, false)->character, 'q');
    EXPECT_FALSE(take_key(bytes, true));
}

TEST(XlTop, AFrameFillsTheScreenAndNoGuestSteersIt)
{
    const std::vector<Line> lines{{{"name\033[2J"}}, {{"0123456789", Style::sorted}}, {{"cut off"}}};
    EXPECT_EQ(frame_of(lines, {{"keys"}}, 3, 8),
              "\033[H\033[mname?[2J\033[m\033[K\r\n\033[0;1m01234567\033[m\033[K\r\n\033[mkeys\033[m\033[K");
    EXPECT_EQ(frame_of({}, {{"keys"}}, 1, 0), "\033[H\033[m\033[m\033[K");
}

TEST(XlTop, CountersComeFromOurBackendElseFromLinux)
{
    namespace fs = std::filesystem;
    const fs::path root = fs::path(testing::TempDir()) / fmt::format("xylem-top-{}", getpid());
    const fs::path net = root / "class/net/vif5.0/statistics";
    const fs::path vbd = root / "bus/xen-backend/devices/vbd-5-51712/statistics";
    fs::create_directories(net);
    fs::create_directories(vbd);
    const auto write = [](const fs::path& path, const char* text) { std::ofstream(path) << text << '\n'; };
    write(net / "rx_bytes", "10");
    write(net / "tx_packets", "3");
    EXPECT_FALSE(read_interface(root, "vif5.1", 1));
    EXPECT_FALSE(read_interface(root, "../net/vif5.0", 0)) << "a name has no slash";
    const auto interface = read_interface(root, "vif5.0", 0);
    EXPECT_EQ(interface->received.bytes, 10u);
    EXPECT_EQ(interface->sent.packets, 3u);

    EXPECT_FALSE(read_disk(root / "disks", root, DomId(5), 51712).is_counted);
    for (const char* name : {"oo_req", "rd_req", "wr_req", "rd_sect", "wr_sect"})
        write(vbd / name, "12");
    EXPECT_EQ(read_disk(root / "disks", root, DomId(5), 51712).writes, 12u);
    {
        dom0::SharedDiskCounters ours(dom0::disk_counters_path(root / "disks", DomId(5), 51712),
                                      dom0::SharedDiskCounters::Begin::anew);
        ours->of(dom0::DiskOperation::write).count(8, 1000, true);
    }
    const DiskUse disk = read_disk(root / "disks", root, DomId(5), 51712);
    EXPECT_EQ(disk.writes, 1u);
    EXPECT_EQ(disk.sectors_written, 8u);
    EXPECT_TRUE(disk.details);
    fs::remove_all(root);
}

TEST(XlTop, ReadsWhatXenstoredTellsOfQuotas)
{
    const auto numbers =
        parse_store_numbers("Domain 5:\nnodes           :       31\nwatches         :        4 most\n:\n"
                            "x:\nmemory : 17x\n");
    EXPECT_EQ(numbers, (std::map<std::string, u64>{{"nodes", 31}, {"watches", 4}, {"memory", 17}}));
}

}

// How xl writes and reads sets of processors, amounts of memory, and a domain's record.
#include "tools/xl/failure.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/record.hpp"
#include "tools/xl/rows.hpp"
#include "tools/xl/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace xylem::xl::test {

TEST(CpuList, RangesAndExclusionsAreTakenInOrder)
{
    EXPECT_EQ(parse_cpu_list("0-3,^1", 4), (dom0::CpuMap{true, false, true, true}));
    EXPECT_EQ(parse_cpu_list("all,^0", 3), (dom0::CpuMap{false, true, true}));
    EXPECT_EQ(parse_cpu_list("2", 3), (dom0::CpuMap{false, false, true}));
    EXPECT_EQ(parse_cpu_list("^all,1", 2), (dom0::CpuMap{false, true}));
    for (const char* wrong : {"", ",", "a", "1-", "-1", "3-1", "0,,1", "0-9", "4", "1x", "99999999999999999999999"})
        EXPECT_THROW(parse_cpu_list(wrong, 4), Failure) << wrong;
}

TEST(CpuList, IsWrittenAsRanges)
{
    EXPECT_EQ(text_of(dom0::CpuMap{true, true}), "all");
    EXPECT_EQ(text_of(dom0::CpuMap{true, true, false, true}), "0-1,3");
    EXPECT_EQ(text_of(dom0::CpuMap{false, false}), "none");
}

TEST(Rows, AreJsonWithTheirNamesInOrder)
{
    const Row row{{"name", std::string("a\"b")},
                  {"domid", u64{7}},
                  {"share", 0.5},
                  {"online", true},
                  {"cpus", numbers_of({true, false, true})},
                  {"port", number_or_null("-1")},
                  {"ring", number_or_null("8")}};
    EXPECT_EQ(to_json(std::vector<Row>{}), "[\n\n]\n");
    EXPECT_EQ(nlohmann::ordered_json::parse(to_json(std::vector<Row>{row})).dump(),
              R"([{"name":"a\"b","domid":7,"share":0.5,"online":true,"cpus":[0,2],"port":null,"ring":8}])");
    EXPECT_EQ(nlohmann::ordered_json::parse(to_json(Row{{"rows", std::vector<Row>{{{"x", u64{1}}}}}})).dump(),
              R"({"rows":[{"x":1}]})");
}

TEST(Memory, AmountsAreInMebibytesOrHaveAUnit)
{
    EXPECT_EQ(parse_kib("256"), 262144U);
    EXPECT_EQ(parse_kib("256m"), 262144U);
    EXPECT_EQ(parse_kib("1G"), 1048576U);
    EXPECT_EQ(parse_kib("4096k"), 4096U);
    EXPECT_EQ(parse_kib("1048576b"), 1024U);
    for (const char* wrong : {"", "m", "12x", "1mb", "-1", "0", "99999999999999999999"})
        EXPECT_THROW(parse_kib(wrong), Failure) << wrong;
}

// What Debian's `xl create -n` prints for the same configuration.
TEST(Record, IsPrintedAsDebiansXlPrintsIt)
{
    config::Settings settings;
    config::parse("name=\"d1\"\ntype=\"pv\"\nkernel=\"/domu/vmlinuz\"\nramdisk=\"/domu/initrd.gz\"\n"
                  "extra=\"console=hvc0 panic=-1 mode=idle\"\nmemory=128\nmaxmem=128\nvcpus=2\n"
                  "uuid=\"0427a6b4-e587-11f1-99bb-86c1388a64ed\"\ndisk=[\"phy:/dev/loop0,xvda,w\"]\n"
                  "vif=[\"mac=00:16:3e:00:00:01,bridge=xenbr0\"]\n"
                  "on_poweroff=\"destroy\"\non_reboot=\"destroy\"\non_crash=\"destroy\"\n",
                  "d1.cfg", settings);
    EXPECT_EQ(pretty(to_json(config::read_domain_config(settings, "d1.cfg"))), R"({
    "c_info": {
        "type": "pv",
        "name": "d1",
        "uuid": "0427a6b4-e587-11f1-99bb-86c1388a64ed",
        "run_hotplug_scripts": "True"
    },
    "b_info": {
        "max_vcpus": 2,
        "avail_vcpus": [
            0,
            1
        ],
        "max_memkb": 131072,
        "target_memkb": 131072,
        "sched_params": {

        },
        "claim_mode": "True",
        "kernel": "/domu/vmlinuz",
        "cmdline": "console=hvc0 panic=-1 mode=idle",
        "ramdisk": "/domu/initrd.gz",
        "type.pv": {

        },
        "arch_arm": {

        },
        "arch_x86": {

        }
    },
    "disks": [
        {
            "pdev_path": "/dev/loop0",
            "vdev": "xvda",
            "format": "raw",
            "readwrite": 1
        }
    ],
    "nics": [
        {
            "devid": 0,
            "mac": "00:16:3e:00:00:01",
            "bridge": "xenbr0"
        }
    ],
    "on_soft_reset": "soft_reset"
}
)");
}

}

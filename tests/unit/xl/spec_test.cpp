// Disk and interface specifications, by xl-disk-configuration(5) and xl-network-configuration(5).
#include "tools/xl/config/disk_spec.hpp"
#include "tools/xl/config/vif_spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::xl::config::test {

using testing::HasSubstr;

template <typename Parse> static std::string complaint(Parse parse, const char* spec, std::size_t* offset = nullptr)
{
    try {
        parse(spec);
    } catch (const SpecError& error) {
        if (offset)
            *offset = error.offset;
        return error.what();
    }
    return "no complaint";
}

// The manual page calls these equivalent.
TEST(DiskSpec, FormsOfTheManualAreEquivalent)
{
    for (const char* spec :
         {"/dev/vg/guest-volume,,hda", "/dev/vg/guest-volume,raw,hda,rw",
          "format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume", "raw:/dev/vg/guest-volume,hda,w",
          "phy:/dev/vg/guest-volume,hda,w", "vg/guest-volume,,hda"}) {
        const DiskSpec disk = parse_disk_spec(spec);
        EXPECT_EQ(disk.target, "/dev/vg/guest-volume") << spec;
        EXPECT_EQ(disk.format, "raw") << spec;
        EXPECT_EQ(disk.vdev, "hda") << spec;
        EXPECT_FALSE(disk.read_only) << spec;
        EXPECT_FALSE(disk.cdrom) << spec;
    }
    for (const char* spec :
         {"/root/image.iso,,hdc,cdrom", "/root/image.iso,,hdc,,cdrom", "/root/image.iso,raw,hdc,devtype=cdrom",
          "format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso",
          "raw:/root/image.iso,hdc:cdrom,ro"}) {
        const DiskSpec disk = parse_disk_spec(spec);
        EXPECT_EQ(disk.target, "/root/image.iso") << spec;
        EXPECT_EQ(disk.vdev, "hdc") << spec;
        EXPECT_TRUE(disk.read_only) << spec;
        EXPECT_TRUE(disk.cdrom) << spec;
    }
}

TEST(DiskSpec, FlagsAndKeysStandAnywhere)
{
    const DiskSpec disk =
        parse_disk_spec("no-discard,/a,untrusted,raw,backendtype=phy,xvda,r,script=block,direct-io-safe");
    EXPECT_EQ(disk.discard, false);
    EXPECT_EQ(disk.trusted, false);
    EXPECT_TRUE(disk.direct_io_safe);
    EXPECT_TRUE(disk.read_only);
    EXPECT_EQ(disk.backend_type, "phy");
    EXPECT_EQ(disk.script, "block");
    EXPECT_EQ(disk.number, 51712U);
}

TEST(DiskSpec, LimitsAreOurOwnKeys)
{
    const DiskSpec disk = parse_disk_spec("/a,raw,xvda,max-iops=500,max-rate=10MB/s");
    EXPECT_EQ(disk.max_iops, 500U);
    EXPECT_EQ(disk.max_rate->bytes_per_interval, 500000U);
    EXPECT_EQ(disk.max_rate->interval_microseconds, 50000U);
    for (const char* wrong : {"/a,raw,xvda,max-iops=0", "/a,raw,xvda,max-iops=some", "/a,raw,xvda,max-iops=100000001"})
        EXPECT_THAT(complaint(parse_disk_spec, wrong), HasSubstr("expected a number from 1 to 100000000"));
    for (const char* wrong : {"/a,raw,xvda,max-rate=10", "/a,raw,xvda,max-rate=1b/s"})
        EXPECT_THAT(complaint(parse_disk_spec, wrong), HasSubstr("expected one like 10MB/s"));
    EXPECT_THAT(complaint(parse_disk_spec, "/a,raw,xvda,max-iops=5,max-iops=5"), HasSubstr("given twice"));
}

TEST(DiskSpec, TargetByNameTakesTheRest)
{
    EXPECT_EQ(parse_disk_spec("vdev=xvda,target=/a, b,c=d ").target, "/a, b,c=d ");
    EXPECT_EQ(parse_disk_spec(",raw,xvda,target=/late").target, "/late");
}

TEST(DiskSpec, MistakesAreSaidWithTheirPlace)
{
    std::size_t offset = 0;
    EXPECT_THAT(complaint(parse_disk_spec, "/a,raw,xvda,x", &offset), HasSubstr("unknown disk access 'x'"));
    EXPECT_EQ(offset, 12U);
    EXPECT_THAT(complaint(parse_disk_spec, "/a,odd,xvda", &offset), HasSubstr("unknown disk format 'odd'"));
    EXPECT_EQ(offset, 3U);
    EXPECT_THAT(complaint(parse_disk_spec, "/a,raw,xvda,w,more", &offset), HasSubstr("one word too many"));
    EXPECT_EQ(offset, 14U);
    EXPECT_THAT(complaint(parse_disk_spec, "/a,raw,xyz", &offset), HasSubstr("'xyz' is no virtual device"));
    EXPECT_EQ(offset, 7U);
    EXPECT_THAT(complaint(parse_disk_spec, "/a"), HasSubstr("no vdev"));
    EXPECT_THAT(complaint(parse_disk_spec, ",raw,xvda"), HasSubstr("no target"));
    EXPECT_THAT(complaint(parse_disk_spec, "colour=red,/a,raw,xvda"), HasSubstr("unknown disk parameter 'colour'"));
    EXPECT_THAT(complaint(parse_disk_spec, "/a,raw,xvda,vdev=xvdb"), HasSubstr("given twice"));
    EXPECT_THAT(complaint(parse_disk_spec, ""), HasSubstr("no vdev"));
}

// xen-vbd-interface(7)
TEST(DiskSpec, VirtualDevicesHaveTheirNumbers)
{
    EXPECT_EQ(virtual_device_number("xvda"), 51712U);
    EXPECT_EQ(virtual_device_number("xvda1"), 51713U);
    EXPECT_EQ(virtual_device_number("xvdb"), 51728U);
    EXPECT_EQ(virtual_device_number("xvdp15"), 51967U);
    EXPECT_EQ(virtual_device_number("xvdq"), (1U << 28) + (16U << 8));
    EXPECT_EQ(virtual_device_number("xvdaa"), (1U << 28) + (26U << 8));
    EXPECT_EQ(virtual_device_number("xvda16"), (1U << 28) + 16U);
    EXPECT_EQ(virtual_device_number("d0"), 51712U);
    EXPECT_EQ(virtual_device_number("d2p1"), 51745U);
    EXPECT_EQ(virtual_device_number("hda"), 768U);
    EXPECT_EQ(virtual_device_number("hdb1"), 833U);
    EXPECT_EQ(virtual_device_number("hdc"), 5632U);
    EXPECT_EQ(virtual_device_number("sda"), 2048U);
    EXPECT_EQ(virtual_device_number("sdb3"), 2067U);
    EXPECT_EQ(virtual_device_number("51712"), 51712U);
    for (const char* wrong : {"", "xvd", "xvdA", "xvda1x", "hde", "sdq", "sda16", "d", "d1q", "d1p", "vda", "xvdzzzzz",
                              "xvda256", "99999999999"})
        EXPECT_EQ(virtual_device_number(wrong), std::nullopt) << wrong;
}

TEST(VifSpec, KeysAreRead)
{
    const VifSpec vif =
        parse_vif_spec("mac=00:16:3E:00:00:0a,bridge=xenbr1, vifname=eth-demo,rate=10Mb/s,mtu=9000,devid=3,ip=10.0.0.2,"
                       "script=vif-bridge,type=vif,untrusted,mac-filter");
    EXPECT_EQ(text_of(*vif.mac), "00:16:3e:00:00:0a");
    EXPECT_EQ(vif.bridge, "xenbr1");
    EXPECT_EQ(vif.name, "eth-demo");
    EXPECT_EQ(vif.mtu, 9000U);
    EXPECT_EQ(vif.devid, 3U);
    EXPECT_EQ(vif.ip, "10.0.0.2");
    EXPECT_EQ(vif.script, "vif-bridge");
    EXPECT_FALSE(vif.trusted);
    EXPECT_TRUE(vif.mac_filter);
    EXPECT_FALSE(parse_vif_spec("mac-filter,no-mac-filter").mac_filter);
    EXPECT_FALSE(parse_vif_spec("").mac);
    EXPECT_EQ(parse_vif_spec("backendtype=linux").backend_type, "linux");
    EXPECT_EQ(parse_vif_spec("backendtype=xylem").backend_type, "xylem");
    EXPECT_THROW(parse_vif_spec("backendtype=phy"), SpecError);
}

TEST(VifSpec, RatesAreBytesAnInterval)
{
    EXPECT_EQ(parse_rate("10Mb/s")->bytes_per_interval, 62500U);
    EXPECT_EQ(parse_rate("10Mb/s")->interval_microseconds, 50000U);
    EXPECT_EQ(parse_rate("1MB/s@20ms")->bytes_per_interval, 20000U);
    EXPECT_EQ(parse_rate("250KB/s@1s")->bytes_per_interval, 250000U);
    for (const char* wrong : {"", "10", "10Mb", "Mb/s", "0Mb/s", "10Mb/s@", "10Mb/s@0ms", "10Xb/s",
                              "99999999999999999999GB/s", "99999999999GB/s"})
        EXPECT_FALSE(parse_rate(wrong)) << wrong;
}

TEST(VifSpec, MistakesAreSaidWithTheirPlace)
{
    std::size_t offset = 0;
    EXPECT_THAT(complaint(parse_vif_spec, "bridge=a,mac=00:16:3e:00:00", &offset), HasSubstr("no MAC address"));
    EXPECT_EQ(offset, 9U);
    EXPECT_THAT(complaint(parse_vif_spec, "mac=01:16:3e:00:00:01"), HasSubstr("the address of a group"));
    EXPECT_THAT(complaint(parse_vif_spec, "colour=red"), HasSubstr("unknown interface parameter 'colour'"));
    EXPECT_THAT(complaint(parse_vif_spec, "bridge"), HasSubstr("expected KEY=VALUE"));
    EXPECT_THAT(complaint(parse_vif_spec, "mtu=10"), HasSubstr("from 68 to 65535"));
    EXPECT_THAT(complaint(parse_vif_spec, "type=ioemu"), HasSubstr("for HVM guests"));
    EXPECT_THAT(complaint(parse_vif_spec, "mac=00:16:3e:00:00:01,mac=00:16:3e:00:00:02"), HasSubstr("given twice"));
}

}

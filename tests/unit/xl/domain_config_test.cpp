// Configurations with their meaning: defaults, ranges, and what is refused.
#include "tools/xl/config/domain_config.hpp"
#include "tools/xl/config/xl_conf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::xl::config::test {

using testing::HasSubstr;

static const std::string least = "name='demo'\nkernel='/k'\nmemory=64\n";

static DomainConfig read(const std::string& text)
{
    Settings settings;
    parse(text, "x.cfg", settings);
    return read_domain_config(settings, "x.cfg");
}

static std::string complaint(const std::string& text)
{
    try {
        read(text);
    } catch (const Failure& error) {
        return error.what();
    }
    return "no complaint";
}

TEST(DomainConfig, DefaultsAreThoseOfTheManual)
{
    const DomainConfig config = read(least);
    EXPECT_EQ(config.memory_kib, 64U << 10);
    EXPECT_EQ(config.max_memory_kib, 64U << 10);
    EXPECT_EQ(config.vcpus, 1U);
    EXPECT_EQ(config.max_vcpus, 1U);
    EXPECT_EQ(config.on_poweroff, ShutdownAction::destroy);
    EXPECT_EQ(config.on_reboot, ShutdownAction::restart);
    EXPECT_EQ(config.on_crash, ShutdownAction::destroy);
    EXPECT_TRUE(config.disks.empty());
    EXPECT_EQ(config.on_soft_reset, ShutdownAction::soft_reset);
    EXPECT_TRUE(config.uuid.empty());
}

TEST(DomainConfig, CommandLineIsGivenWholeOrMadeOfRootAndExtra)
{
    EXPECT_EQ(read(least + "cmdline='a b'").command_line, "a b");
    EXPECT_EQ(read(least + "root='/dev/xvda'\nextra='ro quiet'").command_line, "root=/dev/xvda ro quiet");
    EXPECT_EQ(read(least + "extra='quiet'").command_line, "quiet");
    EXPECT_THAT(complaint(least + "cmdline='a'\nextra='b'"), HasSubstr("x.cfg:5:1: 'cmdline' is given too"));
}

TEST(DomainConfig, LimitsOfGrantTablesComeFromTheHostWhereTheDomainHasNone)
{
    Settings settings;
    parse(least + "max_grant_frames=8\n", "x.cfg", settings);
    Defaults host;
    host.max_grant_frames = 16;
    host.max_grant_version = 1;
    const DomainConfig config = read_domain_config(settings, "x.cfg", {}, host);
    EXPECT_EQ(config.max_grant_frames, 8U);
    EXPECT_EQ(config.max_grant_version, 1U);
    EXPECT_EQ(config.max_maptrack_frames, std::nullopt);
    EXPECT_EQ(read(least + "max_grant_version=2").max_grant_version, 2U);
    EXPECT_THAT(complaint(least + "max_grant_version=3"), HasSubstr("x.cfg:4:19: 'max_grant_version' wants a number"));
}

TEST(DomainConfig, SizesAndCountsAreChecked)
{
    const DomainConfig config = read(least + "maxmem=128\nvcpus=2\nmaxvcpus=4\n");
    EXPECT_EQ(config.max_memory_kib, 128U << 10);
    EXPECT_EQ(config.max_vcpus, 4U);
    EXPECT_EQ(read("name='a'\nkernel='/k'\nmemory='64'\n").memory_kib, 64U << 10) << "quoted numbers are in use";
    EXPECT_THAT(complaint(least + "memory=0"), HasSubstr("x.cfg:4:8: 'memory' wants a number from 1"));
    EXPECT_THAT(complaint(least + "memory=[1]"), HasSubstr("'memory' wants a number"));
    EXPECT_THAT(complaint(least + "maxmem=32"), HasSubstr("'maxmem' is less than 'memory'"));
    EXPECT_THAT(complaint(least + "vcpus=2\nmaxvcpus=1"), HasSubstr("'maxvcpus' is less than 'vcpus'"));
    EXPECT_THAT(complaint(least + "vcpus=0"), HasSubstr("'vcpus' wants a number from 1 to 8192"));
}

TEST(DomainConfig, WhatIsMissingIsNamed)
{
    EXPECT_THAT(complaint("kernel='/k'\nmemory=64"), HasSubstr("'name' is missing"));
    EXPECT_THAT(complaint("name='a'\nmemory=64"), HasSubstr("'kernel' is missing"));
    EXPECT_THAT(complaint("name='a'\nkernel='/k'"), HasSubstr("'memory' is missing"));
}

TEST(DomainConfig, NamesThatWouldConfuseAreRefused)
{
    EXPECT_THAT(complaint("name='7'\nkernel='/k'\nmemory=1"), HasSubstr("cannot be a domain's name"));
    EXPECT_THAT(complaint("name='a/b'\nkernel='/k'\nmemory=1"), HasSubstr("cannot be a domain's name"));
    EXPECT_THAT(complaint("name='../x'\nkernel='/k'\nmemory=1"), HasSubstr("cannot be a domain's name"));
    EXPECT_THAT(complaint("name='" + std::string(41, 'a') + "'\nkernel='/k'\nmemory=1"),
                HasSubstr("cannot be a domain's name"));
    EXPECT_EQ(read("name='web-1.example_org'\nkernel='/k'\nmemory=1").name, "web-1.example_org");
}

TEST(DomainConfig, ActionsAreRead)
{
    const DomainConfig config =
        read(least + "on_poweroff='preserve'\non_reboot='destroy'\non_crash='rename-restart'\n");
    EXPECT_EQ(config.on_poweroff, ShutdownAction::preserve);
    EXPECT_EQ(config.on_reboot, ShutdownAction::destroy);
    EXPECT_EQ(config.on_crash, ShutdownAction::rename_restart);
    EXPECT_EQ(read(least + "on_crash='coredump-restart'").on_crash, ShutdownAction::coredump_restart);
    EXPECT_THAT(complaint(least + "on_crash='soft-reset'"), HasSubstr("a PV guest has none"));
    EXPECT_THAT(complaint(least + "on_crash='explode'"), HasSubstr("x.cfg:4:10: on_crash: 'explode' is no action"));
}

TEST(DomainConfig, OptionsThatAreNotServedAreNamed)
{
    EXPECT_EQ(complaint(least + "seclabel='x'"), "x.cfg:4:1: the option 'seclabel' is not served yet");
    EXPECT_EQ(complaint(least + "bios='seabios'"),
              "x.cfg:4:1: the option 'bios' is for HVM guests; only PV guests are served");
    EXPECT_EQ(complaint(least + "memroy=64"), "x.cfg:4:1: there is no option 'memroy'; did you mean 'memory'?");
    EXPECT_EQ(complaint(least + "frobnicate=1"), "x.cfg:4:1: there is no option 'frobnicate'");
    EXPECT_THAT(complaint(least + "type='hvm'"),
                HasSubstr("x.cfg:4:6: guests of type 'hvm' are not served; expected 'pv'"));
    EXPECT_THAT(complaint(least + "builder='hvm'"), HasSubstr("'hvm'"));
    EXPECT_THAT(complaint(least + "vfb=['vnc=1']"), HasSubstr("no framebuffer backend"));
    EXPECT_EQ(complaint(least + "type='pv'\nbuilder='generic'\nvfb=[]\n"), "no complaint");
}

TEST(DomainConfig, MistakesInsideDeviceSpecificationsHaveTheirColumn)
{
    EXPECT_EQ(complaint(least + "disk = [ '/a,raw,xvda,w',\n  '/b,raw,xvdb,zz' ]\n"),
              "x.cfg:5:16: unknown disk access 'zz'; expected r, ro, w or rw");
    EXPECT_THAT(complaint(least + "disk=['/a,raw,xvda','/b,raw,xvda']"),
                HasSubstr("x.cfg:4:21: there are two disks 'xvda'"));
    EXPECT_THAT(complaint(least + "vif=['mac=xyz']"), HasSubstr("x.cfg:4:7: 'xyz' is no MAC address"));
    EXPECT_THAT(complaint(least + "disk=[1]"), HasSubstr("the disk has no vdev"));
    EXPECT_THAT(complaint(least + "disk='/a,raw,xvda'"), HasSubstr("'disk' wants a list in [ ]"));
}

TEST(DomainConfig, ChannelsHaveANameAndAnEnd)
{
    const auto channels =
        read(least + "channel=['name=org.example.a,connection=pty', 'connection=socket, path=/run/b, name=b']")
            .channels;
    ASSERT_EQ(channels.size(), 2U);
    EXPECT_EQ(channels[0].name, "org.example.a");
    EXPECT_EQ(channels[0].socket_path, "");
    EXPECT_EQ(channels[1].socket_path, "/run/b");
    EXPECT_THAT(complaint(least + "channel=['connection=pty']"), HasSubstr("x.cfg:4:10: the channel has no name"));
    EXPECT_THAT(complaint(least + "channel=['name=a,connection=socket,path=b']"), HasSubstr("does not begin with '/'"));
    EXPECT_THAT(complaint(least + "channel=['name=a,connection=socket,path=/" + std::string(200, 'b') + "']"),
                HasSubstr("at most 107"));
    EXPECT_THAT(complaint(least + "channel=['name=a,connection=socket,path=/b','name=c,connection=socket,path=/b']"),
                HasSubstr("two channels on the socket '/b'"));
    EXPECT_THAT(complaint(least + "channel=['name=a,connection=pty,backend=driver']"), HasSubstr("not served yet"));
    std::string ten;
    for (int i = 0; i < 10; ++i)
        ten += "'name=a,connection=pty',";
    EXPECT_THAT(complaint(least + "channel=[" + ten + "]"), HasSubstr("more than 9 channels"));
    EXPECT_THAT(complaint(least + "channel=['name=a,connection=tcp']"), HasSubstr("expected pty or socket"));
}

TEST(DomainConfig, UuidIsChecked)
{
    EXPECT_EQ(read(least + "uuid='6CB1975A-e55d-11f1-9b3c-8eb31e9bf1b3'").uuid, "6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3");
    EXPECT_THAT(complaint(least + "uuid='6cb1975a'"), HasSubstr("is no UUID"));
}

TEST(DomainConfig, ProcessorsAreOneListForAllOrOneEach)
{
    EXPECT_EQ(read(least + "cpus='0-1,^1'").cpus, std::vector<std::string>{"0-1,^1"});
    EXPECT_EQ(read(least + "cpus=['0', 1]").cpus, (std::vector<std::string>{"0", "1"}));
    EXPECT_EQ(read(least + "cpus=2").cpus, std::vector<std::string>{"2"});
}

TEST(DomainConfig, InterfacesTakeFromXlConfWhatTheyDoNotSay)
{
    Defaults defaults;
    defaults.vif_bridge = "xenbr7";
    defaults.vif_backend = "driver";
    defaults.vif_script = "vif-bridge";
    VifSpec vif = parse_vif_spec("mac=00:16:3e:00:00:01");
    apply_defaults(vif, defaults);
    EXPECT_EQ(vif.bridge, "xenbr7");
    EXPECT_EQ(vif.backend_domain, "driver");
    EXPECT_EQ(vif.script, "vif-bridge");
    vif = parse_vif_spec("bridge=xenbr1,backend=0");
    apply_defaults(vif, defaults);
    EXPECT_EQ(vif.bridge, "xenbr1");
    EXPECT_EQ(vif.backend_domain, "0");
    EXPECT_EQ(vif.gateway_device, "") << "which is for routed interfaces";
}

TEST(DomainConfig, XlConfSaysWhoseBackendsServeWhatDoesNotSay)
{
    const auto conf = [](const std::string& text, std::size_t complaints = 0) {
        Settings settings;
        parse(text, "xl.conf", settings);
        Complaints found;
        const Defaults defaults = read_xl_conf(settings, "xl.conf", found).defaults;
        EXPECT_EQ(found.size(), complaints) << text;
        return defaults;
    };
    const auto vif_with = [](const Defaults& defaults, const char* spec) {
        VifSpec vif = parse_vif_spec(spec);
        apply_defaults(vif, defaults);
        return vif.backend_type;
    };
    const Defaults defaults = conf("vif.default.backendtype='linux'\ndisk.default.backendtype='phy'\n");
    EXPECT_EQ(vif_with(defaults, ""), "linux");
    EXPECT_EQ(vif_with(defaults, "backendtype=xylem"), "xylem");
    DiskSpec disk = parse_disk_spec("/dev/vg/disk,raw,xvda,w");
    apply_defaults(disk, defaults);
    EXPECT_TRUE(disk.prefers_linux);
    EXPECT_EQ(vif_with(conf(""), ""), "");
    EXPECT_FALSE(conf("disk.default.backendtype='qdisk'").disks_prefer_linux);
    EXPECT_FALSE(conf("disk.default.backendtype='linux'\nvif.default.backendtype='phy'\n", 2).vif_backend_type);
}

TEST(DomainConfig, DriverDomainIsCalledOne)
{
    EXPECT_FALSE(read(least).is_driver_domain);
    EXPECT_TRUE(read(least + "driver_domain=1").is_driver_domain);
}

}

// What xl writes to the store, and that nothing of it stays: with a daemon of our own, without a hypervisor.
#include "tools/xl/device.hpp"
#include "tools/xl/domain_nodes.hpp"
#include "tools/xl/failure.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace xylem::xl::test {

using testing::HasSubstr;
using namespace std::chrono_literals;

namespace {

constexpr DomId guest{7};

std::string letter(xenstore::Access access)
{
    switch (access) {
    case xenstore::Access::read:
        return "r";
    case xenstore::Access::write:
        return "w";
    case xenstore::Access::read_write:
        return "b";
    default:
        return "n";
    }
}

config::DomainConfig demo_config()
{
    config::Settings settings;
    config::parse("name='demo'\nkernel='/k'\nramdisk='/r'\nextra='quiet'\nmemory=64\nmaxmem=96\nvcpus=1\nmaxvcpus=2\n"
                  "uuid='6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3'\n",
                  "demo.cfg", settings);
    return config::read_domain_config(settings, "demo.cfg");
}

}

class StoreTest : public testing::Test {
public:
    StoreTest()
    {
        std::string name = (std::filesystem::temp_directory_path() / "xl-store.XXXXXX").string();
        directory_ = mkdtemp(name.data());
        const std::string path = (directory_ / "socket").string();
        daemon_ = fork();
        if (daemon_ == 0) {
            setenv("XENSTORED_PATH", path.c_str(), 1);
            execl("build/bin/xenstored", "xenstored", "--no-fork", "--no-domains", "--init-dom0", "--log-file",
                  (directory_ / "log").c_str(), nullptr);
            _exit(127);
        }
        for (int tries = 0; !store_; ++tries) {
            try {
                store_ = std::make_unique<xenstore::Client>(path);
            } catch (const xenstore::StoreError&) {
                if (tries == 1000)
                    throw;
                std::this_thread::sleep_for(10ms);
            }
        }
        store_->batch_changes(); // as xl's Session
    }
    ~StoreTest() override
    {
        store_.reset();
        kill(daemon_, SIGTERM);
        waitpid(daemon_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }

    xenstore::Client& store() { return *store_; }

    /// Every node below `path`: "path = value (permissions)", as xenstore-ls -f -p prints them, in the order of their
    /// names.
    std::vector<std::string> tree(const std::string& path = "")
    {
        std::vector<std::string> lines;
        if (!path.empty()) {
            std::string permissions;
            for (const xenstore::Permission& permission : store().permissions(path))
                permissions += fmt::format("{}{}{}", permissions.empty() ? "" : ",", letter(permission.access),
                                           permission.domain.value);
            lines.push_back(fmt::format("{} = \"{}\" ({})", path, store().read(path), permissions));
        }
        for (const std::string& child : store().list(path.empty() ? "/" : path))
            for (std::string& line : tree(path + "/" + child))
                lines.push_back(std::move(line));
        std::sort(lines.begin(), lines.end());
        return lines;
    }

    std::string tree_text(const std::string& path) { return fmt::format("{}\n", fmt::join(tree(path), "\n")); }

    void write_domain()
    {
        store().transact([](xenstore::StoreView& in) {
            write_domain_nodes(in, guest, demo_config(), {{Mfn(1000), Mfn(1001)}, Port(1), Port(2)});
        });
    }

    config::DiskSpec disk_on_a_file()
    {
        const std::filesystem::path file = directory_ / "disk.img";
        std::ofstream(file) << std::string(4096, 'd');
        return config::parse_disk_spec(file.string() + ",raw,xvda,w");
    }

    /// Does something with a connection of its own, beside the test.
    std::thread aside(std::function<void(xenstore::Client&)> work)
    {
        return std::thread([work, path = (directory_ / "socket").string()] {
            xenstore::Client own(path);
            work(own);
        });
    }

    /// Plays a backend: sets the state of `device` once `when` holds.
    std::thread backend(const Device& device, const char* state, std::function<bool(xenstore::Client&)> when)
    {
        const std::string path = (directory_ / "socket").string();
        return std::thread([=] {
            xenstore::Client own(path);
            while (!when(own))
                std::this_thread::sleep_for(5ms);
            own.write(device.backend() + "/state", state);
        });
    }

private:
    std::filesystem::path directory_;
    pid_t daemon_ = -1;
    std::unique_ptr<xenstore::Client> store_;
};

TEST_F(StoreTest, ChangesSentTogetherAreSeenInTheirTransaction)
{
    constexpr int many = 100;
    store().transact([](xenstore::StoreView& in) {
        in.remove_if_exists("/many/nothing");
        for (int i = 0; i < many; ++i)
            in.write(fmt::format("/many/{}", i), std::to_string(i));
        EXPECT_EQ(in.list("/many").size(), std::size_t{many});
        in.remove("/many/7");
    });
    const auto found = store().find_each(std::vector<std::string>{"/many/6", "/many/7", "/many/99"});
    EXPECT_THAT(found, testing::ElementsAre("6", std::nullopt, "99"));
}

TEST_F(StoreTest, ChangeThatIsRefusedEndsItsTransactionInNothing)
{
    const auto work = [](xenstore::StoreView& in) {
        in.write("/before", "1");
        in.write("/bad//path", "2");
        in.write("/after", "3");
    };
    try {
        store().transact(work);
        FAIL() << "nothing was thrown";
    } catch (const xenstore::StoreError& error) {
        EXPECT_THAT(error.what(), HasSubstr("/bad//path"));
    }
    EXPECT_THROW(store().transact([](xenstore::StoreView& in) {
        in.write("/before", "1");
        throw Failure("enough");
    }),
                 Failure);
    EXPECT_EQ(store().find("/before"), std::nullopt);
    store().write("/later", "4"); // the connection is as good as before
    EXPECT_EQ(store().find("/later"), "4");
}

// Values and permissions are those that Debian's xl leaves for the same guest.
TEST_F(StoreTest, DomainHasItsNodes)
{
    write_domain();
    EXPECT_EQ(tree_text("/local/domain/7"), R"(/local/domain/7 = "" (n0,r7)
/local/domain/7/attr = "" (n7)
/local/domain/7/console = "" (n0,r7)
/local/domain/7/console/backend = "/local/domain/0/backend/console/7/0" (n0,r7)
/local/domain/7/console/backend-id = "0" (n0,r7)
/local/domain/7/console/limit = "1048576" (n0,r7)
/local/domain/7/console/output = "pty" (n0,r7)
/local/domain/7/console/port = "2" (n0,r7)
/local/domain/7/console/ring-ref = "1001" (n0,r7)
/local/domain/7/console/tty = "" (n0,r7)
/local/domain/7/console/type = "xenconsoled" (n0,r7)
/local/domain/7/control = "" (n0,r7)
/local/domain/7/control/feature-poweroff = "" (n7)
/local/domain/7/control/feature-reboot = "" (n7)
/local/domain/7/control/feature-suspend = "" (n7)
/local/domain/7/control/platform-feature-multiprocessor-suspend = "1" (n0,r7)
/local/domain/7/control/platform-feature-xs_reset_watches = "1" (n0,r7)
/local/domain/7/control/shutdown = "" (n7)
/local/domain/7/control/sysrq = "" (n7)
/local/domain/7/cpu = "" (n0,r7)
/local/domain/7/cpu/0 = "" (n0,r7)
/local/domain/7/cpu/0/availability = "online" (n0,r7)
/local/domain/7/cpu/1 = "" (n0,r7)
/local/domain/7/cpu/1/availability = "offline" (n0,r7)
/local/domain/7/data = "" (n7)
/local/domain/7/device = "" (n0,r7)
/local/domain/7/device/suspend = "" (n0,r7)
/local/domain/7/device/suspend/event-channel = "" (n7)
/local/domain/7/domid = "7" (n0,r7)
/local/domain/7/drivers = "" (n7)
/local/domain/7/error = "" (n7)
/local/domain/7/feature = "" (n7)
/local/domain/7/memory = "" (n0,r7)
/local/domain/7/memory/static-max = "98304" (n0,r7)
/local/domain/7/memory/target = "65536" (n0,r7)
/local/domain/7/memory/videoram = "0" (n0,r7)
/local/domain/7/name = "demo" (n0,r7)
/local/domain/7/store = "" (n0,r7)
/local/domain/7/store/port = "1" (n0,r7)
/local/domain/7/store/ring-ref = "1000" (n0,r7)
/local/domain/7/vm = "/vm/6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3" (n0,r7)
)");
    EXPECT_EQ(store().read("/vm/6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3/image/cmdline"), "quiet");
}

TEST_F(StoreTest, DiskHasAFrontendThatTheGuestOwnsAndABackendThatItReads)
{
    const config::DiskSpec disk = config::parse_disk_spec("/dev/loop0,raw,xvda,w");
    store().transact([&](xenstore::StoreView& in) { write_disk(in, guest, disk, {true, 0x700}, Bootable::yes); });
    EXPECT_EQ(tree_text("/local/domain/0/backend/vbd/7/51712"), R"(/local/domain/0/backend/vbd/7/51712 = "" (n0,r7)
/local/domain/0/backend/vbd/7/51712/bootable = "1" (n0,r7)
/local/domain/0/backend/vbd/7/51712/dev = "xvda" (n0,r7)
/local/domain/0/backend/vbd/7/51712/device-type = "disk" (n0,r7)
/local/domain/0/backend/vbd/7/51712/discard-enable = "1" (n0,r7)
/local/domain/0/backend/vbd/7/51712/frontend = "/local/domain/7/device/vbd/51712" (n0,r7)
/local/domain/0/backend/vbd/7/51712/frontend-id = "7" (n0,r7)
/local/domain/0/backend/vbd/7/51712/mode = "w" (n0,r7)
/local/domain/0/backend/vbd/7/51712/online = "1" (n0,r7)
/local/domain/0/backend/vbd/7/51712/params = "/dev/loop0" (n0,r7)
/local/domain/0/backend/vbd/7/51712/physical-device = "7:0" (n0,r7)
/local/domain/0/backend/vbd/7/51712/removable = "0" (n0,r7)
/local/domain/0/backend/vbd/7/51712/specification = "xen" (n0,r7)
/local/domain/0/backend/vbd/7/51712/state = "1" (n0,r7)
/local/domain/0/backend/vbd/7/51712/type = "phy" (n0,r7)
)");
    EXPECT_EQ(tree_text("/local/domain/7/device/vbd/51712"), R"(/local/domain/7/device/vbd/51712 = "" (n7,r0)
/local/domain/7/device/vbd/51712/backend = "/local/domain/0/backend/vbd/7/51712" (n7,r0)
/local/domain/7/device/vbd/51712/backend-id = "0" (n7,r0)
/local/domain/7/device/vbd/51712/device-type = "disk" (n7,r0)
/local/domain/7/device/vbd/51712/protocol = "x86_64-abi" (n7,r0)
/local/domain/7/device/vbd/51712/state = "1" (n7,r0)
/local/domain/7/device/vbd/51712/trusted = "1" (n7,r0)
/local/domain/7/device/vbd/51712/virtual-device = "51712" (n7,r0)
)");
}

TEST_F(StoreTest, FoldersTellWhatLinuxIsToServe)
{
    const auto is_linuxs = [&](const std::string& spec, const DiskTarget& target, bool prefers_linux = false) {
        config::DiskSpec disk = config::parse_disk_spec(spec);
        disk.prefers_linux = prefers_linux;
        Device device;
        store().transact([&](xenstore::StoreView& in) { device = write_disk(in, guest, disk, target, Bootable::no); });
        EXPECT_EQ(store().find(device.backend() + "/backend-type"),
                  device.by_linux ? std::optional<std::string>("linux") : std::nullopt);
        remove_devices(store(), {device}, Removal::forced);
        return device.by_linux;
    };
    const DiskTarget block_device{true, 0x700};
    EXPECT_TRUE(is_linuxs("/dev/loop0,raw,xvda,w,backendtype=phy", block_device));
    EXPECT_FALSE(is_linuxs("/dev/loop0,raw,xvda,w", block_device));
    EXPECT_TRUE(is_linuxs("/dev/loop0,raw,xvda,w", block_device, true));
    EXPECT_FALSE(is_linuxs("/dev/loop0,raw,xvda,w,backendtype=qdisk", block_device, true));
    EXPECT_FALSE(is_linuxs("/dev/loop0,qcow2,xvda,w", block_device, true));
    EXPECT_FALSE(is_linuxs("/images/file,raw,xvda,w", {}, true));

    const config::VifSpec vif = complete(config::parse_vif_spec("backendtype=linux"), 0);
    store().transact([&](xenstore::StoreView& in) { EXPECT_TRUE(write_vif(in, guest, vif).by_linux); });
    EXPECT_EQ(store().find("/local/domain/0/backend/vif/7/0/backend-type"), "linux");
}

TEST_F(StoreTest, InterfaceTellsTheGuestItsAddressAndMtu)
{
    const config::VifSpec vif = complete(config::parse_vif_spec("mac=00:16:3e:00:00:01,rate=10Mb/s"), 3);
    store().transact([&](xenstore::StoreView& in) { write_vif(in, guest, vif); });
    const std::string front = tree_text("/local/domain/7/device/vif/3");
    EXPECT_THAT(front, HasSubstr("/mac = \"00:16:3e:00:00:01\" (n7,r0)"));
    EXPECT_THAT(front, HasSubstr("/mtu = \"1500\" (n0,r7)"));
    const std::string back = tree_text("/local/domain/0/backend/vif/7/3");
    EXPECT_THAT(back, HasSubstr("/bridge = \"xenbr0\" (n0,r7)"));
    EXPECT_THAT(back, HasSubstr("/rate = \"62500,50000\" (n0,r7)"));
    EXPECT_THAT(back, HasSubstr("/handle = \"3\" (n0,r7)"));
}

TEST_F(StoreTest, RoutedInterfaceNamesItsGatewayDeviceAndNoBridge)
{
    config::VifSpec vif = config::parse_vif_spec("script=vif-route,ip=10.0.0.5 10.0.1.0/24,bridge=xenbr0");
    vif = complete(vif, 0);
    store().transact([&](xenstore::StoreView& in) { write_vif(in, guest, vif); });
    const std::string back = tree_text("/local/domain/0/backend/vif/7/0");
    EXPECT_THAT(back, HasSubstr("/script = \"/etc/xen/scripts/vif-route\" (n0,r7)"));
    EXPECT_THAT(back, HasSubstr("/gatewaydev = \"eth0\" (n0,r7)"));
    EXPECT_THAT(back, HasSubstr("/ip = \"10.0.0.5 10.0.1.0/24\" (n0,r7)"));
    EXPECT_THAT(back, testing::Not(HasSubstr("/bridge")));
}

TEST(RoutedInterface, ItsGatewayDeviceAndNetworksAreChecked)
{
    const auto complaint = [](const std::string& spec) -> std::string {
        try {
            check_vif(config::parse_vif_spec(spec));
            return "no complaint";
        } catch (const Failure& failure) {
            return failure.what();
        }
    };
    EXPECT_EQ(complaint("script=vif-route,gatewaydev=lo,ip=10.0.0.5 10.0.1.0/24"), "no complaint");
    EXPECT_EQ(complaint("script=/etc/xen/scripts/vif-route,netdev=lo"), "no complaint");
    EXPECT_THAT(complaint("script=vif-route,gatewaydev=none9"), HasSubstr("no interface 'none9' with an IPv4 address"));
    EXPECT_THAT(complaint("script=vif-route,gatewaydev=lo,ip=10.0.0.256"), HasSubstr("'10.0.0.256' is no IPv4"));
    EXPECT_THAT(complaint("script=vif-route,gatewaydev=lo,ip=fe80::1"), HasSubstr("'fe80::1' is no IPv4"));
    EXPECT_THAT(complaint("script=vif-route,gatewaydev=lo,ip=10.0.0.0/33"), HasSubstr("'10.0.0.0/33' is no IPv4"));
    EXPECT_THAT(complaint("script=vif-route,gatewaydev=lo,ip=10.0.1.5/24"), HasSubstr("expected 10.0.1.0/24"));
    EXPECT_THAT(complaint("script=vif-nat"), HasSubstr("'vif-nat' is not served yet"));
    EXPECT_THAT(complaint("gatewaydev=lo"), HasSubstr("script=vif-route"));
}

// Values and permissions are libxl's; but for the type, since the console daemon serves it, not QEMU.
TEST_F(StoreTest, ChannelIsAConsoleWhoseEndInDom0TheGuestCannotName)
{
    store().transact([&](xenstore::StoreView& in) {
        write_channel(in, guest, {"org.example.agent", "", ""}, 1);
        write_channel(in, guest, {"org.example.other", "/run/other", ""}, 2);
    });
    EXPECT_EQ(tree_text("/local/domain/0/backend/console/7/2"), R"(/local/domain/0/backend/console/7/2 = "" (n0,r7)
/local/domain/0/backend/console/7/2/connection = "socket" (n0,r7)
/local/domain/0/backend/console/7/2/frontend = "/local/domain/7/device/console/2" (n0,r7)
/local/domain/0/backend/console/7/2/frontend-id = "7" (n0,r7)
/local/domain/0/backend/console/7/2/name = "org.example.other" (n0,r7)
/local/domain/0/backend/console/7/2/online = "1" (n0,r7)
/local/domain/0/backend/console/7/2/path = "/run/other" (n0,r7)
/local/domain/0/backend/console/7/2/protocol = "vt100" (n0,r7)
/local/domain/0/backend/console/7/2/state = "1" (n0,r7)
)");
    EXPECT_EQ(tree_text("/local/domain/7/device/console/1"), R"(/local/domain/7/device/console/1 = "" (n7,r0)
/local/domain/7/device/console/1/backend = "/local/domain/0/backend/console/7/1" (n7,r0)
/local/domain/7/device/console/1/backend-id = "0" (n7,r0)
/local/domain/7/device/console/1/limit = "1048576" (n0,r7)
/local/domain/7/device/console/1/name = "org.example.agent" (n0,r7)
/local/domain/7/device/console/1/output = "pty" (n0,r7)
/local/domain/7/device/console/1/protocol = "vt100" (n7,r0)
/local/domain/7/device/console/1/state = "1" (n7,r0)
/local/domain/7/device/console/1/tty = "" (n0,r7)
/local/domain/7/device/console/1/type = "xenconsoled" (n0,r7)
)");
    EXPECT_EQ(store().read("/libxl/7/device/console/2/path"), "/run/other");
}

// Owners and readers are libxl's.
TEST_F(StoreTest, DeviceOfADriverDomainIsThatDomainsAndTheGuestFindsItThere)
{
    constexpr DomId driver{3};
    const config::DiskSpec disk = config::parse_disk_spec("/dev/vg/guest,raw,xvda,w,backend=driver");
    const DiskTarget target = check_disk(store(), disk, driver);
    store().transact([&](xenstore::StoreView& in) {
        write_disk(in, guest, disk, target, Bootable::yes);
        write_vif(in, guest, complete({}, 0), driver);
    });
    const std::string back = tree_text("/local/domain/3/backend/vbd/7/51712");
    EXPECT_THAT(back, HasSubstr("/51712 = \"\" (n3,r7)"));
    EXPECT_THAT(back, HasSubstr("/params = \"/dev/vg/guest\" (n3,r7)"));
    EXPECT_THAT(back, HasSubstr("/script = \"/etc/xen/scripts/block\" (n3,r7)"));
    EXPECT_THAT(back, HasSubstr("/state = \"1\" (n3,r7)"));
    EXPECT_THAT(back, testing::Not(HasSubstr("physical-device"))) << "which only the driver domain can know";
    const std::string front = tree_text("/local/domain/7/device");
    EXPECT_THAT(front, HasSubstr("/vbd/51712 = \"\" (n7,r3)"));
    EXPECT_THAT(front, HasSubstr("/vbd/51712/backend = \"/local/domain/3/backend/vbd/7/51712\" (n7,r3)"));
    EXPECT_THAT(front, HasSubstr("/vbd/51712/backend-id = \"3\" (n7,r3)"));
    EXPECT_THAT(front, HasSubstr("/vif/0/backend = \"/local/domain/3/backend/vif/7/0\" (n7,r3)"));
    for (const Device& device : devices_of(store(), guest))
        EXPECT_EQ(device.backend_domain, driver) << device.describe();
    EXPECT_EQ(store().find("/local/domain/0/backend/vbd"), std::nullopt);
}

// What it is to dom0, such a path may not even exist.
TEST_F(StoreTest, DiskOfADriverDomainIsComparedWithThatDomainsOthersByName)
{
    constexpr DomId driver{3};
    const config::DiskSpec disk = config::parse_disk_spec("/dev/vg/guest,raw,xvda,w");
    store().transact([&](xenstore::StoreView& in) { write_disk(in, guest, disk, {false, 0, driver}, Bootable::yes); });
    EXPECT_THROW(check_disk(store(), disk, driver), Failure);
    EXPECT_NO_THROW(check_disk(store(), disk, DomId(4))) << "which has another of that name";
    config::DiskSpec second = disk;
    second.vdev = "xvdb";
    EXPECT_THROW(check_disks(store(), {disk, second}, {DomId(4), DomId(4)}), Failure);
    EXPECT_NO_THROW(check_disks(store(), {disk, second}, {DomId(4), DomId(5)}));
}

TEST_F(StoreTest, WhatADriverDomainDoesNotTakeUpIsToldWithItsName)
{
    const InterruptGuard interrupts;
    store().write("/local/domain/3/name", "storage");
    const config::DiskSpec disk = config::parse_disk_spec("/dev/vg/guest,raw,xvda,w");
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, disk, {false, 0, DomId(3)}, Bootable::yes);
    });
    store().write(device.backend() + "/hotplug-error", "no\033[31m such device");
    try {
        wait_for_backends(store(), {device}, interrupts);
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_STREQ(failure.what(),
                     "driver domain 3 (storage) cannot serve disk 51712 of domain 7: no?[31m such device");
    }
}

// xl devd removes the folder, having undone what it did for the device.
TEST_F(StoreTest, RemovalWaitsUntilADriverDomainHasRemovedTheBackend)
{
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, config::parse_disk_spec("/dev/vg/guest,raw,xvda,w"), {false, 0, DomId(3)},
                            Bootable::yes);
    });
    store().write(device.backend() + "/state", "4");
    std::thread closes =
        backend(device, "6", [=](xenstore::Client& client) { return client.find(device.backend() + "/state") == "5"; });
    std::atomic<bool> removed = false;
    std::thread removes = aside([&](xenstore::Client& client) {
        while (client.find(device.backend() + "/state") != "6")
            std::this_thread::sleep_for(5ms);
        std::this_thread::sleep_for(200ms);
        removed = true;
        client.remove(device.backend());
    });
    remove_devices(store(), {device}, Removal::polite);
    EXPECT_TRUE(removed);
    closes.join();
    removes.join();
    EXPECT_EQ(store().find("/local/domain/3/backend"), std::nullopt) << "nor is an empty folder left above it";
    EXPECT_TRUE(devices_of(store(), guest).empty());
}

TEST_F(StoreTest, GuestsOfADriverDomainThatEndsAreTold)
{
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, config::parse_disk_spec("/dev/vg/guest,raw,xvda,w"), {false, 0, DomId(3)},
                            Bootable::yes);
    });
    store().write(device.backend() + "/state", "4");
    store().write(device.frontend() + "/state", "4");
    std::thread listens = aside([&](xenstore::Client& client) {
        while (client.find(device.backend() + "/state") != "5")
            std::this_thread::sleep_for(5ms);
        client.write(device.frontend() + "/state", "6");
    });
    const auto begin = std::chrono::steady_clock::now();
    end_served_devices(store(), DomId(3));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s) << "one that listens is not waited for longer";
    EXPECT_EQ(store().read(device.frontend() + "/state"), "6");
    listens.join();
    end_served_devices(store(), DomId(9)); // one that served nobody
}

TEST_F(StoreTest, MadeUpAddressesAreOfXensRangeAndNotMulticast)
{
    const config::VifSpec vif = complete({}, 0);
    EXPECT_THAT(config::text_of(*vif.mac), testing::StartsWith("00:16:3e:"));
    EXPECT_LT((*vif.mac)[3], 0x80);
}

TEST_F(StoreTest, RemovalOfDevicesAndDomainLeavesTheStoreAsItWas)
{
    store().make("/vm");
    store().make("/libxl");
    const auto before = tree();
    write_domain();
    store().transact([](xenstore::StoreView& in) {
        write_disk(in, guest, config::parse_disk_spec("/dev/loop0,raw,xvda,w"), {true, 0x700}, Bootable::yes);
        write_vif(in, guest, complete({}, 0));
        write_channel(in, guest, {"org.example.agent", "", ""}, 1);
    });
    const std::vector<Device> devices = devices_of(store(), guest);
    EXPECT_EQ(devices.size(), 4U);
    std::vector<std::thread> backends;
    for (const Device& device : devices)
        if (!device.is_first_console())
            store().write(device.backend() + "/state", "4");
    for (const Device& device : devices)
        if (!device.is_first_console())
            backends.push_back(backend(device, "6", [=](xenstore::Client& client) {
                return client.find(device.backend() + "/state") == "5" && !client.find(device.frontend());
            }));
    remove_devices(store(), devices, Removal::forced);
    for (std::thread& thread : backends)
        thread.join();
    store().transact([](xenstore::StoreView& in) { remove_domain_nodes(in, guest); });
    EXPECT_EQ(tree(), before);
}

// So that an unfinished domain goes at once where no backend runs.
TEST_F(StoreTest, DeviceThatNoBackendTookUpIsRemovedWithoutAWait)
{
    store().transact([](xenstore::StoreView& in) {
        write_disk(in, guest, config::parse_disk_spec("/dev/loop0,raw,xvda,w"), {true, 0x700}, Bootable::yes);
    });
    const auto start = std::chrono::steady_clock::now();
    remove_devices(store(), devices_of(store(), guest), Removal::forced);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    EXPECT_TRUE(devices_of(store(), guest).empty());
}

TEST_F(StoreTest, DomainSetAsideHasANewNameAndUuid)
{
    write_domain();
    store().transact([](xenstore::StoreView& in) {
        rename_domain_nodes(in, guest, "demo-1", "11111111-2222-3333-4444-555555555555");
    });
    EXPECT_EQ(store().read("/local/domain/7/name"), "demo-1");
    EXPECT_EQ(store().read("/local/domain/7/vm"), "/vm/11111111-2222-3333-4444-555555555555");
    EXPECT_EQ(store().list("/vm").size(), 1U);
    EXPECT_TRUE(store().find("/vm/11111111-2222-3333-4444-555555555555/start_time"));
}

TEST_F(StoreTest, BackendThatTakesADeviceUpEndsTheWait)
{
    const InterruptGuard interrupts;
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, config::parse_disk_spec("/dev/loop0,raw,xvda,w"), {}, Bootable::no);
    });
    std::thread taker = backend(device, "2", [](xenstore::Client&) { return true; });
    EXPECT_NO_THROW(wait_for_backends(store(), {device}, interrupts));
    taker.join();
}

TEST_F(StoreTest, AnInterruptEndsTheWait)
{
    const InterruptGuard interrupts;
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, config::parse_disk_spec("/dev/loop0,raw,xvda,w"), {}, Bootable::no);
    });
    std::thread hand([self = pthread_self()] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        pthread_kill(self, SIGINT);
    });
    try {
        wait_for_backends(store(), {device}, interrupts);
        ADD_FAILURE() << "no backend was there";
    } catch (const Failure& failure) {
        EXPECT_STREQ(failure.what(), "interrupted; what was begun is undone");
    }
    hand.join();
}

TEST_F(StoreTest, WhatABackendComplainsOfIsTold)
{
    const InterruptGuard interrupts;
    Device device;
    store().transact([&](xenstore::StoreView& in) {
        device = write_disk(in, guest, config::parse_disk_spec("/dev/loop0,raw,xvda,w"), {}, Bootable::no);
    });
    store().write(device.backend() + "/hotplug-error", "the disk is on fire");
    try {
        wait_for_backends(store(), {device}, interrupts);
        FAIL();
    } catch (const Failure& failure) {
        EXPECT_STREQ(failure.what(), "the backend cannot serve disk 51712 of domain 7: the disk is on fire");
    }
}

TEST_F(StoreTest, DiskThatAnotherGuestMayWriteToIsRefused)
{
    config::DiskSpec disk = disk_on_a_file();
    EXPECT_FALSE(check_disk(store(), disk).is_block_device);
    store().transact([&](xenstore::StoreView& in) { write_disk(in, guest, disk, {}, Bootable::no); });
    EXPECT_THROW(check_disk(store(), disk), Failure);
    disk.read_only = true;
    EXPECT_THROW(check_disk(store(), disk), Failure);
    store().write("/local/domain/0/backend/vbd/7/51712/mode", "r");
    EXPECT_NO_THROW(check_disk(store(), disk)) << "readers may share";
    config::DiskSpec alias = disk;
    alias.read_only = false;
    alias.target += ".alias";
    std::filesystem::create_symlink(disk.target, alias.target);
    EXPECT_THROW(check_disk(store(), alias), Failure) << "the same file by another name";
}

TEST_F(StoreTest, GuestCannotHaveOneDiskTwiceIfItWritesToIt)
{
    config::DiskSpec first = disk_on_a_file();
    config::DiskSpec second = first;
    second.vdev = "xvdb";
    EXPECT_THROW(check_disks(store(), {first, second}, {dom0_id, dom0_id}), Failure);
    second.read_only = true;
    EXPECT_THROW(check_disks(store(), {first, second}, {dom0_id, dom0_id}), Failure);
    first.read_only = true;
    EXPECT_EQ(check_disks(store(), {first, second}, {dom0_id, dom0_id}).size(), 2U);
}

TEST_F(StoreTest, InterfaceNamesAreThoseThatLinuxTakesAndHasFree)
{
    const auto complaint = [](const std::string& spec) -> std::string {
        try {
            check_vif(config::parse_vif_spec("bridge=none," + spec));
        } catch (const Failure& failure) {
            return failure.what();
        }
        return "no complaint";
    };
    EXPECT_THAT(complaint("vifname=lo"), HasSubstr("there is an interface 'lo' already"));
    for (const char* name : {"a/b", "vif%d", "a b", "a:b", ".", "..", "sixteencharacter"})
        EXPECT_THAT(complaint(std::string("vifname=") + name), HasSubstr("cannot be an interface's name"));
    EXPECT_THAT(complaint("vifname=free"), HasSubstr("there is no bridge 'none'"));
}

TEST_F(StoreTest, DisksThatCannotBeServedAreRefusedByName)
{
    const auto complaint = [&](const std::string& spec) -> std::string {
        try {
            check_disk(store(), config::parse_disk_spec(spec));
        } catch (const Failure& failure) {
            return failure.what();
        }
        return "no complaint";
    };
    const std::string file = disk_on_a_file().target;
    EXPECT_EQ(complaint("/nonexistent,raw,xvda,w"), "cannot use disk '/nonexistent': No such file or directory");
    EXPECT_THAT(complaint("/dev/null,raw,xvda,w"), HasSubstr("neither a file nor a block device"));
    EXPECT_THAT(complaint(file + ",vhd,xvda,w"), HasSubstr("the format 'vhd' is not served yet"));
    EXPECT_THAT(complaint(file + ",qcow2,xvda,w,backendtype=phy"), HasSubstr("not the format 'qcow2'"));
    EXPECT_EQ(complaint(file + ",qcow2,xvda,w"), "no complaint"); // its backend looks into the image
    EXPECT_THAT(complaint(file + ",raw,xvda,w,script=block-iscsi"), HasSubstr("block-iscsi"));
    EXPECT_THAT(complaint(file + ",raw,xvda,w,backendtype=phy"), HasSubstr("is no block device"));
    EXPECT_EQ(complaint(file + ",raw,xvda,w,script=block"), "no complaint");
    std::ofstream(file, std::ios::trunc) << "short";
    EXPECT_THAT(complaint(file + ",raw,xvda,w"), HasSubstr("less than one sector"));
}

}

// What xl devd does with the devices in its domain's backend folder, against a toolstack and backends played by the
// test.
#include "tests/unit/backends/memory_store.hpp"
#include "tools/xl/devd/served_devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::xl::test {

using backends::test::MemoryStore;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

const std::string base = "/local/domain/3/backend";
const std::string disk = base + "/vbd/7/51712";

}

struct ServedDevicesTest : testing::Test {
    void start()
    {
        DeviceHelpers helpers;
        helpers.provide = [this](const std::string& kind) {
            provided.push_back(kind);
            return provision;
        };
        helpers.set_up_for_linux = [this](const ServedDevice& device) { set_up.push_back(device.folder); };
        devices = std::make_unique<ServedDevices>(loop, store, DomId(3), helpers);
        settle();
    }
    void settle()
    {
        for (int i = 0; i < 5; ++i) {
            store.fire();
            loop.turn(std::chrono::milliseconds(0));
        }
    }
    void create(const std::string& folder, const std::string& state = "1")
    {
        store.write(folder + "/online", "1");
        store.write(folder + "/state", state);
        settle();
    }
    void change(const std::string& path, const std::string& value)
    {
        store.write(path, value);
        settle();
    }

    backends::EventLoop loop;
    MemoryStore store;
    Provision provision = Provision::ours;
    std::vector<std::string> provided;
    std::vector<std::string> set_up;
    std::unique_ptr<ServedDevices> devices;
};

TEST(DevicePath, IsRead)
{
    const auto device = device_at(base, disk + "/feature-flush-cache");
    ASSERT_TRUE(device);
    EXPECT_EQ(device->kind, "vbd");
    EXPECT_EQ(device->guest, DomId(7));
    EXPECT_EQ(device->number, 51712U);
    EXPECT_EQ(device->folder, disk);
    EXPECT_EQ(device_at(base, disk)->folder, disk);
}

// A part of it becomes a part of a program's name.
TEST(DevicePath, ThatIsNoneIsNone)
{
    for (const char* rest : {"", "/vbd", "/vbd/7", "/vbd/7/", "/vbd/7/x", "/vbd/-1/0", "/vbd/32752/0",
                             "/vbd/7/4294967295", "/../7/0", "/v.d/7/0", "//7/0", "/vbd/7x/0"})
        EXPECT_FALSE(device_at(base, base + rest)) << rest;
    EXPECT_FALSE(device_at(base, "/local/domain/33/backend/vbd/7/0"));
}

TEST_F(ServedDevicesTest, NewDeviceHasItsBackendStarted)
{
    start();
    EXPECT_THAT(provided, IsEmpty());
    create(disk);
    EXPECT_THAT(provided, testing::Contains("vbd"));
    create(base + "/vif/7/0");
    EXPECT_THAT(provided, testing::Contains("vif"));
}

TEST_F(ServedDevicesTest, DeviceForLinuxsOwnBackendIsGivenToIt)
{
    start();
    store.write(disk + "/backend-type", "linux");
    create(disk);
    EXPECT_THAT(provided, IsEmpty());
    EXPECT_THAT(set_up, testing::Contains(disk));
}

// A devd that was killed has a successor, whose backends resume.
TEST_F(ServedDevicesTest, DeviceThatIsThereAlreadyHasItsBackendStarted)
{
    create(disk, "4");
    start();
    EXPECT_THAT(provided, ElementsAre("vbd"));
    EXPECT_EQ(store.at(disk + "/state"), "4");
}

TEST_F(ServedDevicesTest, WhatABackendWritesIsNotLookedAt)
{
    start();
    create(disk);
    provided.clear();
    change(disk + "/feature-flush-cache", "1");
    EXPECT_THAT(provided, IsEmpty());
}

TEST_F(ServedDevicesTest, ClosedDeviceThatIsWantedNoMoreIsRemoved)
{
    start();
    create(disk);
    change(disk + "/state", "6");
    EXPECT_EQ(store.at(disk + "/state"), "6") << "it is online, and may come back";
    change(disk + "/online", "0");
    EXPECT_THAT(store.list(base), IsEmpty());
}

TEST_F(ServedDevicesTest, DeviceIsNotRemovedBeforeItHasClosed)
{
    start();
    create(disk, "4");
    change(disk + "/online", "0");
    change(disk + "/state", "5");
    EXPECT_EQ(store.at(disk + "/state"), "5");
    change(disk + "/state", "6");
    EXPECT_THAT(store.list(base), IsEmpty());
}

TEST_F(ServedDevicesTest, DeviceThatEndedWithoutADevdIsRemovedByTheNext)
{
    store.write(disk + "/online", "0");
    store.write(disk + "/state", "6");
    start();
    EXPECT_THAT(store.list(base), IsEmpty());
    EXPECT_THAT(provided, IsEmpty());
}

TEST_F(ServedDevicesTest, DeviceOfAKindThatNobodyServesIsAnswered)
{
    provision = Provision::nobody;
    start();
    create(base + "/vkbd/7/0");
    EXPECT_EQ(store.at(base + "/vkbd/7/0/state"), "6");
    EXPECT_EQ(store.at(base + "/vkbd/7/0/hotplug-status"), "error");
    EXPECT_EQ(store.at(base + "/vkbd/7/0/hotplug-error"),
              "there is no backend for devices of type 'vkbd' in this domain");
}

TEST_F(ServedDevicesTest, DeviceOfLinuxsBackendIsSetUp)
{
    provision = Provision::linux;
    start();
    create(base + "/vif/7/0");
    change(base + "/vif/7/0/state", "2");
    EXPECT_THAT(set_up, testing::Contains(base + "/vif/7/0"));
}

}

// The backend's side of the xenbus handshake, against a toolstack and a frontend played by the test.
#include "backends/lib/device_host.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::test {

/// What was asked of the device, in order.
struct Journal {
    std::vector<std::string> calls;
    std::string prepare_error;
    int not_yet = 0;
    std::string connect_error;
    bool busy = false;
    DeviceEvents events;
    int alive = 0;
};

class FakeDevice : public Device {
public:
    FakeDevice(Journal& journal, DeviceEvents events) : journal_(journal)
    {
        ++journal_.alive;
        journal_.events = std::move(events);
    }
    ~FakeDevice() override { --journal_.alive; }
    Entries prepare() override
    {
        if (journal_.not_yet > 0) {
            --journal_.not_yet;
            throw NotYet("the disk is busy");
        }
        if (!journal_.prepare_error.empty())
            throw std::runtime_error(journal_.prepare_error);
        journal_.calls.push_back("prepare");
        return {{"feature-x", "1"}};
    }
    Entries connect(Begin begin) override
    {
        if (!journal_.connect_error.empty())
            throw std::runtime_error(journal_.connect_error);
        journal_.calls.push_back(begin == Begin::fresh ? "connect" : "resume");
        return {{"sectors", "8"}};
    }
    bool disconnect() override
    {
        if (!journal_.busy)
            journal_.calls.push_back("disconnect");
        return !journal_.busy;
    }
    void quiesce() override { journal_.calls.push_back("quiesce"); }
    bool idle() const override { return !journal_.busy; }

private:
    Journal& journal_;
};

struct DeviceHostTest : testing::Test {
    void start()
    {
        host = std::make_unique<DeviceHost>(loop, store, "vbd", [this](const DevicePlace&, DeviceEvents events) {
            return std::make_unique<FakeDevice>(journal, std::move(events));
        });
        settle();
    }
    void settle()
    {
        for (int i = 0; i < 5; ++i) {
            store.fire();
            loop.turn(std::chrono::milliseconds(0));
        }
    }
    void create_device(const std::string& back_state = "1", const std::string& front_state = "1")
    {
        store.write(back + "/frontend", front);
        store.write(back + "/online", "1");
        store.write(front + "/state", front_state);
        store.write(back + "/state", back_state);
        settle();
    }
    void front_goes(const std::string& state)
    {
        store.write(front + "/state", state);
        settle();
    }
    void toolstack_detaches()
    {
        store.write(back + "/online", "0");
        store.write(back + "/state", "5");
        settle();
    }
    std::string state() { return store.at(back + "/state"); }
    std::vector<std::string> calls() { return std::exchange(journal.calls, {}); }
    using Calls = std::vector<std::string>;

    const std::string back = "/local/domain/0/backend/vbd/1/51712";
    const std::string front = "/local/domain/1/device/vbd/51712";
    EventLoop loop;
    MemoryStore store;
    Journal journal;
    std::unique_ptr<DeviceHost> host;
};

TEST_F(DeviceHostTest, ADeviceIsAdvertisedThenConnected)
{
    start();
    create_device();
    EXPECT_EQ(state(), "2");
    EXPECT_EQ(store.at(back + "/feature-x"), "1");
    EXPECT_EQ(store.at(back + "/hotplug-status"), "connected");
    front_goes("3");
    EXPECT_EQ(state(), "4");
    EXPECT_EQ(store.at(back + "/sectors"), "8");
    front_goes("4");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect"}));
}

// Linux's netfront goes straight to Connected.
TEST_F(DeviceHostTest, AFrontendMaySkipInitialised)
{
    start();
    create_device();
    front_goes("4");
    EXPECT_EQ(state(), "4");
}

TEST_F(DeviceHostTest, ADeviceMadeBeforeTheBackendStartedIsFound)
{
    create_device();
    start();
    EXPECT_EQ(state(), "2");
}

TEST_F(DeviceHostTest, ADeviceForLinuxsOwnBackendIsPassedOver)
{
    start();
    store.write(back + "/backend-type", "linux");
    create_device();
    front_goes("3");
    EXPECT_EQ(state(), "1");
    EXPECT_EQ(calls(), Calls());
}

TEST_F(DeviceHostTest, TheBackendsFolderMayAppearBeforeTheFrontends)
{
    start();
    store.write(back + "/frontend", front);
    store.write(back + "/online", "1");
    store.write(back + "/state", "1");
    settle();
    EXPECT_EQ(state(), "1");
    front_goes("1");
    EXPECT_EQ(state(), "2");
}

TEST_F(DeviceHostTest, DetachingWalksBothSidesToClosed)
{
    start();
    create_device();
    front_goes("3");
    front_goes("4");
    calls();
    toolstack_detaches();
    EXPECT_EQ(state(), "5") << "the frontend still uses it";
    EXPECT_EQ(calls(), Calls{});
    front_goes("5");
    front_goes("6");
    EXPECT_EQ(state(), "6");
    EXPECT_EQ(calls(), Calls{"disconnect"});
    store.remove(back);
    settle();
    EXPECT_EQ(host->devices(), 0u);
    EXPECT_EQ(journal.alive, 0);
}

// Detached and attached again before we looked.
TEST_F(DeviceHostTest, ADeviceMadeInThePlaceOfAnotherIsANewOne)
{
    start();
    create_device();
    front_goes("4");
    store.remove(back);
    store.remove(front);
    create_device();
    EXPECT_EQ(state(), "2");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect", "disconnect", "prepare"}));
    EXPECT_EQ(journal.alive, 1);
}

TEST_F(DeviceHostTest, DetachingWhatNoDriverTookEndsAtOnce)
{
    start();
    create_device();
    toolstack_detaches();
    EXPECT_EQ(state(), "6");
}

// xl destroy: the guest is dead, its folder goes first.
TEST_F(DeviceHostTest, AGuestThatVanishesEndsTheDevice)
{
    start();
    create_device();
    front_goes("4");
    store.remove(front);
    settle();
    EXPECT_EQ(state(), "6");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect", "disconnect"}));
}

TEST_F(DeviceHostTest, NothingIsWrittenIntoAFolderThatHasGone)
{
    start();
    create_device();
    front_goes("4");
    store.remove(front);
    store.remove(back);
    settle();
    EXPECT_TRUE(store.nodes.empty());
    EXPECT_EQ(host->devices(), 0u);
}

// A boot loader's driver closes, the kernel's starts on the same device.
TEST_F(DeviceHostTest, AFrontendMayCloseAndStartAnew)
{
    start();
    create_device();
    front_goes("4");
    front_goes("5");
    EXPECT_EQ(state(), "5");
    front_goes("6");
    EXPECT_EQ(state(), "6");
    front_goes("1");
    EXPECT_EQ(state(), "2");
    front_goes("3");
    EXPECT_EQ(state(), "4");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect", "disconnect", "connect"}));
}

TEST_F(DeviceHostTest, AFrontendMayStartAnewWithoutClosing)
{
    start();
    create_device();
    front_goes("4");
    front_goes("1");
    EXPECT_EQ(state(), "2");
    front_goes("4");
    EXPECT_EQ(state(), "4");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect", "disconnect", "connect"}));
}

TEST_F(DeviceHostTest, AMissingDiskIsToldInOneSentence)
{
    journal.prepare_error = "disk /x: cannot open it: No such file or directory";
    start();
    create_device();
    EXPECT_EQ(store.at(back + "/hotplug-status"), "error");
    EXPECT_EQ(store.at(back + "/hotplug-error"), journal.prepare_error);
    EXPECT_EQ(state(), "5") << "closed, Linux's network frontend would wait for ever";
    front_goes("6");
    EXPECT_EQ(state(), "5");
    toolstack_detaches();
    EXPECT_EQ(state(), "6");
    store.remove(back);
    settle();
    EXPECT_EQ(host->devices(), 0u);
}

TEST_F(DeviceHostTest, ABusyDiskIsTriedAgain)
{
    journal.not_yet = 2;
    start();
    create_device();
    EXPECT_EQ(state(), "1");
    for (int i = 0; i < 50 && state() == "1"; ++i) {
        loop.turn(std::chrono::milliseconds(20));
        store.fire();
    }
    EXPECT_EQ(state(), "2");
}

TEST_F(DeviceHostTest, AFrontendWithBadRingsIsRefusedUntilItStartsAnew)
{
    journal.connect_error = "the ring page is not granted";
    start();
    create_device();
    front_goes("3");
    EXPECT_EQ(state(), "5");
    EXPECT_EQ(store.at(back + "/error"), journal.connect_error);
    front_goes("6");
    EXPECT_EQ(state(), "6");
    journal.connect_error.clear();
    front_goes("1");
    front_goes("3");
    EXPECT_EQ(state(), "4");
}

TEST_F(DeviceHostTest, AHostileRingClosesTheDevice)
{
    start();
    create_device();
    front_goes("4");
    journal.events.on_broken("the ring overflowed");
    settle();
    EXPECT_EQ(state(), "5");
    EXPECT_EQ(calls(), (Calls{"prepare", "connect", "disconnect"}));
    front_goes("4");
    EXPECT_EQ(state(), "5") << "not served again before it starts anew";
}

TEST_F(DeviceHostTest, WhatIsInServiceFinishesBeforeTheDeviceGoes)
{
    start();
    create_device();
    front_goes("4");
    journal.busy = true;
    store.remove(front);
    settle();
    EXPECT_EQ(state(), "4");
    journal.busy = false;
    journal.events.on_idle();
    settle();
    EXPECT_EQ(state(), "6");
}

// Started while the guest is connected: the rings are taken over and the guest sees no change of state.
TEST_F(DeviceHostTest, ARestartedBackendResumes)
{
    create_device("4", "4");
    start();
    EXPECT_EQ(calls(), (Calls{"prepare", "resume"}));
    EXPECT_EQ(state(), "4");
}

TEST_F(DeviceHostTest, ARestartedBackendLeavesEndedDevicesAlone)
{
    create_device("6", "6");
    start();
    EXPECT_EQ(calls(), Calls{});
    EXPECT_EQ(state(), "6");
}

TEST_F(DeviceHostTest, ShuttingDownLeavesTheStatesForTheSuccessor)
{
    start();
    create_device();
    front_goes("4");
    calls();
    journal.busy = true;
    bool done = false;
    host->shut_down([&] { done = true; });
    settle();
    EXPECT_FALSE(done);
    journal.busy = false;
    journal.events.on_idle();
    settle();
    EXPECT_TRUE(done);
    EXPECT_EQ(calls(), Calls{"quiesce"});
    EXPECT_EQ(state(), "4");
}

}

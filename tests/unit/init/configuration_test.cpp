// The init's configuration: what it holds, and that a wrong one is refused with its place named.

#include "dom0/init/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xylem::init {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string with_services(const std::string& services)
{
    return R"({"hostname": "dom0", "modules": ["tun"], "bridge": {"name": "xenbr0", "address": "10.9.0.1/24"},
               "banner": "hello", "services": [)" +
           services + "]}";
}

std::string complaint_about(const std::string& text)
{
    try {
        parse_configuration(text);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "none";
}

TEST(InitConfiguration, HoldsServicesInTheirOrder)
{
    const Configuration configuration = parse_configuration(with_services(R"(
        {"name": "store", "command": ["storedaemon", "-N"], "ready": "socket", "path": "/run/store"},
        {"name": "disks", "command": ["blkback"], "ready": "notified", "after": ["store"]})"));

    EXPECT_EQ(configuration.host_name, "dom0");
    EXPECT_EQ(configuration.bridge.address, "10.9.0.1/24");
    ASSERT_EQ(configuration.services.size(), 2U);
    EXPECT_THAT(configuration.services[0].command, ElementsAre("storedaemon", "-N"));
    EXPECT_EQ(configuration.services[0].readiness, Readiness::socket);
    EXPECT_EQ(configuration.services[0].ready_path, "/run/store");
    EXPECT_THAT(configuration.services[1].after, ElementsAre("store"));
}

TEST(InitConfiguration, PassesOverAServiceThatIsSwitchedOffAndYetReadsIt)
{
    const Configuration configuration =
        parse_configuration(with_services(R"({"name": "a", "command": ["a"], "ready": "started", "enabled": false},
                         {"name": "b", "command": ["b"], "ready": "started", "enabled": true})"));
    ASSERT_EQ(configuration.services.size(), 1U);
    EXPECT_EQ(configuration.services[0].name, "b");
    EXPECT_THAT(complaint_about(with_services(R"({"name": "a", "command": [], "ready": "exited", "enabled": false})")),
                HasSubstr("service a: \"command\" is empty"));
}

TEST(InitConfiguration, RefusesAnUnknownKindOfReadiness)
{
    EXPECT_THAT(complaint_about(with_services(R"({"name": "a", "command": ["a"], "ready": "soon"})")),
                HasSubstr("'soon': expected exited, started, notified, socket or file"));
}

TEST(InitConfiguration, RefusesToWaitForAServiceThatDoesNotComeBefore)
{
    EXPECT_THAT(complaint_about(with_services(R"({"name": "a", "command": ["a"], "ready": "exited", "after": ["b"]},
                                                 {"name": "b", "command": ["b"], "ready": "exited"})")),
                HasSubstr("service a: waits for b"));
}

TEST(InitConfiguration, RefusesASocketWithoutItsPath)
{
    EXPECT_THAT(complaint_about(with_services(R"({"name": "a", "command": ["a"], "ready": "socket"})")),
                HasSubstr("service a: \"path\""));
}

TEST(InitConfiguration, RefusesAServiceWithoutACommand)
{
    EXPECT_THAT(complaint_about(with_services(R"({"name": "a", "command": [], "ready": "exited"})")),
                HasSubstr("service a: \"command\" is empty"));
}

TEST(InitConfiguration, NamesTheMissingKey)
{
    EXPECT_THAT(complaint_about("{}"), HasSubstr("hostname"));
}

}
}

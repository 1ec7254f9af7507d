// Every configuration of corpus/ against what Debian's xl 4.17 made of it: NAME.json is what `xl create -n NAME.cfg`
// printed on real Xen with two processors. Where there is none, xl refused the configuration, and so must we.
#include "tools/xl/config/description.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sstream>

namespace xylem::xl::config::test {

namespace fs = std::filesystem;

static const fs::path corpus = "tests/unit/xl/corpus";

static std::string content(const fs::path& path)
{
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// What we print, or the complaint with which we refuse.
static std::string described(const fs::path& path, bool& refused)
{
    constexpr Machine recorded_on{2, 1};
    try {
        Settings settings;
        parse(content(path), path.filename().string(), settings);
        Complaints complaints;
        return pretty(describe(settings, path.filename().string(), recorded_on, {}, complaints));
    } catch (const Failure& error) {
        refused = true;
        return error.what();
    }
}

TEST(Corpus, EveryConfigurationIsDescribedOrRefusedAsByDebiansXl)
{
    unsigned compared = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(corpus)) {
        if (entry.path().extension() != ".cfg")
            continue;
        SCOPED_TRACE(entry.path().filename().string());
        fs::path recorded = entry.path();
        recorded.replace_extension(".json");
        bool refused = false;
        const std::string ours = described(entry.path(), refused);
        ++compared;
        if (fs::exists(recorded)) {
            EXPECT_EQ(ours, content(recorded));
        } else {
            EXPECT_TRUE(refused) << "Debian's xl refuses it, ours printed:\n" << ours;
        }
    }
    EXPECT_GT(compared, 400U);
}

// A refusal names the place, unless the whole file is what is wrong.
TEST(Corpus, EveryRefusalNamesTheFile)
{
    for (const fs::directory_entry& entry : fs::directory_iterator(corpus)) {
        if (entry.path().extension() != ".cfg")
            continue;
        bool refused = false;
        const std::string ours = described(entry.path(), refused);
        if (refused) {
            EXPECT_TRUE(ours.starts_with(entry.path().filename().string() + ":")) << ours;
        }
    }
}

}

// docs/compatibility.md says what the tables say.
#include "tools/xl/command_table.hpp"
#include "tools/xl/config/options.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace xylem::xl::test {

TEST(Compatibility, PageIsWhatTheTablesSay)
{
    std::ifstream file("docs/compatibility.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    if (page == compatibility_page())
        return;
    std::ofstream("build/compatibility.md") << compatibility_page();
    FAIL() << "docs/compatibility.md differs from the tables; build/compatibility.md is what they say";
}

TEST(Compatibility, NoOptionIsInTwoStates)
{
    const auto options = config::all_options();
    for (std::size_t i = 1; i < options.size(); ++i)
        EXPECT_NE(options[i - 1].name, options[i].name);
}

}

// Page-table updates, pins, roots and references of two domains, as the input chooses, beside the specification.
#include "tests/fuzz/target.hpp"
#include "tests/model/page_type_run.hpp"

#include <gtest/gtest.h>

using namespace xylem::test;

FUZZ_TARGET(page_tables)
{
    constexpr unsigned most = 300;
    ByteChoices choices(input);
    PageTypeRun run(choices);
    for (unsigned i = 0; i < most && !choices.empty(); ++i) {
        const std::string what = run.step();
        ASSERT_EQ(what.find(": "), std::string::npos) << what;
        ASSERT_EQ(run.differences(), "") << "after " << what;
    }
    ASSERT_EQ(run.audit(), "");
}

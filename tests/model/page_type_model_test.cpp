// Random requests to the memory manager, and after each one: did it answer as the brute-force specification does, are
// all types and counts and entries the same, does the audit find nothing, and could no page table be written through
// any TLB.
//
// XYLEM_SEED=n repeats one run; XYLEM_RUNS=n sets how many there are.

#include "tests/model/page_type_run.hpp"

#include <cstdlib>
#include <gtest/gtest.h>

namespace xylem::test {
namespace {

constexpr unsigned operations = 300;

void run(unsigned seed)
{
    SCOPED_TRACE("XYLEM_SEED=" + std::to_string(seed));
    SeededChoices choices(seed);
    PageTypeRun run(choices);
    for (unsigned i = 0; i < operations; ++i) {
        const std::string what = run.step();
        ASSERT_EQ(what.find(": "), std::string::npos) << "operation " << i << ": " << what;
        ASSERT_EQ(run.differences(), "") << "after operation " << i << ", " << what;
        if (i % 20 == 19) {
            ASSERT_EQ(run.audit(), "") << "after operation " << i << ", " << what;
        }
    }
}

TEST(PageTypeModel, RandomRequestsGoAsTheSpecificationSays)
{
    if (const char* seed = std::getenv("XYLEM_SEED"))
        return run(static_cast<unsigned>(std::strtoul(seed, nullptr, 10)));
    const char* runs = std::getenv("XYLEM_RUNS");
    const unsigned count = runs ? static_cast<unsigned>(std::strtoul(runs, nullptr, 10)) : 60;
    for (unsigned seed = 1; seed <= count && !testing::Test::HasFailure(); ++seed)
        run(seed);
}

}
}

// Random grants, maps, unmaps, copies, revocations, and page-table writes of four domains, compared after each step
// with the model.

#include "tests/unit/grant_tables/grant_model.hpp"

namespace xylem::grant_tables::test {

namespace {

class GrantModelTest : public testing::TestWithParam<u64> {};

TEST_P(GrantModelTest, RandomOperationsAgreeWithTheModel)
{
    xylem::test::SeededChoices choices(GetParam());
    GrantModel model(choices);
    for (int i = 0; i < 5000; ++i) {
        model.step();
        model.compare();
        if (HasFatalFailure() || HasNonfatalFailure())
            FAIL() << "at step " << i << " of seed " << GetParam();
    }
    // All that was mapped goes with its mappers, in a random order, and every domain can be taken down.
    std::shuffle(model.domains.begin(), model.domains.end(), std::mt19937_64{GetParam()});
    for (auto& domain : model.domains)
        domain->end_mappings();
    for (auto& domain : model.domains)
        domain->end_memory();
    for (auto& domain : model.domains)
        EXPECT_TRUE(mm::drained(domain->owner));
}

INSTANTIATE_TEST_SUITE_P(Seeds, GrantModelTest, testing::Range<u64>(1, 13));

}

}

// Grants, maps, unmaps, copies and page-table writes of four domains, as the input chooses, beside the model.
#include "tests/fuzz/target.hpp"
#include "tests/unit/grant_tables/grant_model.hpp"

using namespace xylem::grant_tables;

FUZZ_TARGET(grants)
{
    constexpr unsigned most = 500;
    xylem::test::ByteChoices choices(input);
    test::GrantModel model(choices);
    for (unsigned i = 0; i < most && !choices.empty() && !testing::Test::HasFailure(); ++i) {
        model.step();
        model.compare();
    }
    for (auto& domain : model.domains)
        domain->end_mappings();
    for (auto& domain : model.domains)
        domain->end_memory();
}

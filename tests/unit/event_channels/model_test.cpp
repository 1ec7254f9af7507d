// Random operations of three domains, compared after each with the model: in 2-level, in FIFO, and with a switch
// between them on the way.

#include "tests/unit/event_channels/event_model.hpp"

namespace xylem::event_channels::test {

namespace {

class ModelTest : public testing::TestWithParam<u64> {};

TEST_P(ModelTest, RandomOperationsAgreeWithTheModel)
{
    xylem::test::SeededChoices choices(GetParam());
    EventModel model(choices);
    for (int i = 0; i < 4000; ++i) {
        if (i % 1500 == 1499)
            model.do_switch(choices.below(EventModel::domain_count));
        model.step();
        model.compare();
        if (HasFatalFailure() || HasNonfatalFailure())
            FAIL() << "at step " << i << " of seed " << GetParam();
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range<u64>(1, 13));

}

}

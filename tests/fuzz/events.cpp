// Bindings, sends, masks and upcalls of three domains, in 2-level and FIFO, as the input chooses, beside the model.
#include "tests/fuzz/target.hpp"
#include "tests/unit/event_channels/event_model.hpp"

using namespace xylem::event_channels;

FUZZ_TARGET(events)
{
    constexpr unsigned most = 500;
    xylem::test::ByteChoices choices(input);
    test::EventModel model(choices);
    for (unsigned i = 0; i < most && !choices.empty() && !testing::Test::HasFailure(); ++i) {
        if (choices.below(64) == 0)
            model.do_switch(choices.below(test::EventModel::domain_count));
        model.step();
        model.compare();
    }
}

// The frontend's side of the xenbus handshake, as a table.
#include "frontends/xenbus/handshake.hpp"

#include <gtest/gtest.h>

using namespace xylem::frontends;
using State = XenbusState;

namespace {

Step step(Stage stage, State back, bool online = true, bool wanted = true, bool may_retry = true)
{
    return next_step(stage, Seen{back, online, wanted, may_retry});
}

TEST(FrontHandshake, GoesFromInitWaitToConnected)
{
    EXPECT_EQ(step(Stage::waiting, State::initialising), Step::nothing);
    EXPECT_EQ(step(Stage::waiting, State::init_wait), Step::offer);
    EXPECT_EQ(step(Stage::offered, State::init_wait), Step::nothing);
    EXPECT_EQ(step(Stage::offered, State::connected), Step::connect);
    EXPECT_EQ(step(Stage::connected, State::connected), Step::nothing);
}

// A predecessor of ours may have left the backend connected: it must notice our state 1 before we offer anything.
TEST(FrontHandshake, WaitsForABackendThatIsStillConnectedToSomebodyElse)
{
    EXPECT_EQ(step(Stage::waiting, State::connected), Step::nothing);
    EXPECT_EQ(step(Stage::waiting, State::closing), Step::nothing);
    EXPECT_EQ(step(Stage::waiting, State::closed), Step::nothing);
}

TEST(FrontHandshake, LetsGoWhenTheBackendCloses)
{
    for (const State gone : {State::closing, State::closed, State::unknown}) {
        EXPECT_EQ(step(Stage::offered, gone), Step::let_go);
        EXPECT_EQ(step(Stage::connected, gone), Step::let_go);
        EXPECT_EQ(step(Stage::waiting, gone, false), Step::let_go);
    }
}

TEST(FrontHandshake, BeginsAnewWithABackendThatDoes)
{
    EXPECT_EQ(step(Stage::connected, State::init_wait), Step::begin_anew);
    EXPECT_EQ(step(Stage::connected, State::initialising), Step::begin_anew);
    EXPECT_EQ(step(Stage::closed, State::closed), Step::begin_anew);
    EXPECT_EQ(step(Stage::closed, State::init_wait), Step::begin_anew);
    EXPECT_EQ(step(Stage::closed, State::closing), Step::nothing); // not yet
}

TEST(FrontHandshake, StaysClosedWhenTheDeviceIsOver)
{
    for (const State back : {State::closed, State::init_wait, State::unknown}) {
        EXPECT_EQ(step(Stage::closed, back, false), Step::nothing);
        EXPECT_EQ(step(Stage::closed, back, true, false), Step::nothing);
        EXPECT_EQ(step(Stage::closed, back, true, true, false), Step::nothing); // refused time and again
    }
}

TEST(FrontHandshake, ClosesInOrderWhenWeWantTheEnd)
{
    EXPECT_EQ(step(Stage::connected, State::connected, true, false), Step::ask_to_close);
    EXPECT_EQ(step(Stage::closing, State::connected, true, false), Step::nothing);
    EXPECT_EQ(step(Stage::closing, State::closing, true, false), Step::let_go);
    EXPECT_EQ(step(Stage::closing, State::init_wait, true, false),
              Step::let_go); // a new one, which never had our rings
    EXPECT_EQ(step(Stage::waiting, State::init_wait, true, false), Step::let_go);
}

// Every state of the store leads to an end when the device is not wanted, as long as the backend closes at last.
TEST(FrontHandshake, AlwaysComesToAnEnd)
{
    for (int back = 0; back <= 8; ++back) {
        Stage stage = Stage::connected;
        for (int steps = 0; stage != Stage::closed && steps < 4; ++steps) {
            const State state = steps < 2 ? static_cast<State>(back) : State::closed;
            const Step next = step(stage, state, true, false);
            stage = next == Step::ask_to_close ? Stage::closing : next == Step::let_go ? Stage::closed : stage;
        }
        EXPECT_EQ(stage, Stage::closed) << back;
    }
}

}

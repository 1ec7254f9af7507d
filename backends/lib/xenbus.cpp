// See xenbus.hpp.
#include "backends/lib/xenbus.hpp"

namespace xylem::backends {

static Step while_front_starts(Stage stage, const Seen& seen)
{
    if (seen.own == XenbusState::closing && stage != Stage::refused)
        return Step::end; // nobody uses it yet, and the toolstack wants it gone
    switch (stage) {
    case Stage::fresh:
        return Step::prepare;
    case Stage::connected:
        return Step::disconnect_and_reopen;
    case Stage::closed:
    case Stage::refused:
        if (!seen.online)
            return Step::end;
        return seen.front == XenbusState::initialising ? Step::reopen : Step::nothing;
    default:
        return Step::nothing;
    }
}

static Step while_front_offers_rings(Stage stage, const Seen& seen)
{
    if (stage == Stage::fresh)
        return seen.own == XenbusState::connected ? Step::prepare_resume : Step::prepare;
    if (stage != Stage::prepared)
        return Step::nothing;
    return seen.own == XenbusState::closing ? Step::end : Step::connect;
}

static Step after_front_closed(const Seen& seen)
{
    if (!seen.online)
        return Step::end;
    return seen.own == XenbusState::closed ? Step::nothing : Step::disconnect;
}

Step next_step(Stage stage, const Seen& seen)
{
    if (!seen.exists)
        return Step::forget;
    if (stage != Stage::fresh && seen.own == XenbusState::initialising)
        return Step::renew; // a state that only a toolstack writes
    if (stage == Stage::ended)
        return Step::nothing;
    if (stage == Stage::failed)
        return seen.online && seen.front != XenbusState::unknown ? Step::nothing : Step::end;
    switch (seen.front) {
    case XenbusState::initialising:
    case XenbusState::init_wait:
        return while_front_starts(stage, seen);
    case XenbusState::initialised:
    case XenbusState::connected:
        return while_front_offers_rings(stage, seen);
    case XenbusState::closing:
        return seen.own == XenbusState::closing || seen.own == XenbusState::closed ? Step::nothing : Step::acknowledge;
    case XenbusState::closed:
        return after_front_closed(seen);
    case XenbusState::unknown:
        // The frontend's folder is not there: not yet, if we have not begun; else the guest has gone.
        return stage == Stage::fresh && seen.online ? Step::nothing : Step::end;
    default:
        return Step::nothing;
    }
}

}

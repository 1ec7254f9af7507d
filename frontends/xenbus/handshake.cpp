// See handshake.hpp.

#include "frontends/xenbus/handshake.hpp"

namespace xylem::frontends {

static bool has_gone(XenbusState back)
{
    return back == XenbusState::closing || back == XenbusState::closed || back == XenbusState::unknown;
}

static bool begins(XenbusState back)
{
    return back == XenbusState::initialising || back == XenbusState::init_wait;
}

static Step towards_the_end(Stage stage, XenbusState back)
{
    switch (stage) {
    case Stage::offered:
    case Stage::connected:
        return has_gone(back) ? Step::let_go : Step::ask_to_close;
    case Stage::closing:
        return has_gone(back) || begins(back) ? Step::let_go : Step::nothing;
    case Stage::waiting:
        return Step::let_go;
    case Stage::closed:
        break;
    }
    return Step::nothing;
}

Step next_step(Stage stage, const Seen& seen)
{
    if (!seen.wanted)
        return towards_the_end(stage, seen.back);
    switch (stage) {
    case Stage::waiting:
        if (seen.back == XenbusState::init_wait)
            return Step::offer;
        return has_gone(seen.back) && !seen.online ? Step::let_go : Step::nothing;
    case Stage::offered:
        if (seen.back == XenbusState::connected)
            return Step::connect;
        return has_gone(seen.back) ? Step::let_go : Step::nothing;
    case Stage::connected:
        if (has_gone(seen.back))
            return Step::let_go;
        return begins(seen.back) ? Step::begin_anew : Step::nothing;
    case Stage::closed:
        if (seen.online && seen.may_retry && (seen.back == XenbusState::closed || begins(seen.back)))
            return Step::begin_anew;
        return Step::nothing;
    case Stage::closing:
        break; // only when it is not wanted
    }
    return Step::nothing;
}

}

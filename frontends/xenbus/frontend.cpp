// See frontend.hpp.

#include "frontends/xenbus/frontend.hpp"

namespace xylem::frontends {

Frontend::Frontend(Kernel& kernel, const char* type, u32 number, XenbusState offered)
    : kernel_(kernel), type_(type), number_(number), offered_(offered)
{
}

Frontend::~Frontend()
{
    stop_watching();
    kernel_.forget(this);
}

Result<void> Frontend::find_backend()
{
    const auto id = store().number(front("backend-id").c_str());
    Path path;
    TRY(store().read(front("backend").c_str(), {path.data(), Path::capacity()}));
    if (!id || *id >= first_reserved_domid)
        return Error::NoEntry;
    backend_ = DomId(static_cast<u16>(*id));
    back_ = path;
    return {};
}

void Frontend::stop_watching()
{
    if (!watched_.empty())
        store().unwatch(watched_.c_str(), this);
    watched_ = {};
}

Result<void> Frontend::begin()
{
    TRY(find_backend());
    TRY(enter(Stage::waiting, XenbusState::initialising));
    watched_ = back("state");
    return store().watch(watched_.c_str(), update_now, this);
}

void Frontend::close()
{
    wanted_ = false;
    update();
}

void Frontend::break_connection(const char* why)
{
    if (complaint_)
        return;
    complaint_ = why;
    wanted_ = false;
    kernel_.defer(update_now, this);
}

/// Steps may wait for the store, and meanwhile a watch may call this again: then the one that is at it takes another
/// turn.
void Frontend::update()
{
    update_again_ = true;
    if (updating_)
        return;
    updating_ = true;
    while (update_again_) {
        update_again_ = false;
        const auto number = store().number(back("state").c_str());
        Seen seen;
        seen.back = number && *number <= 8 ? static_cast<XenbusState>(*number) : XenbusState::unknown;
        seen.online = online_ = number && store().number(back("online").c_str()).value_or(1) != 0;
        seen.wanted = wanted_;
        seen.may_retry = may_retry();
        const Step step = next_step(stage_, seen);
        perform(step);
        update_again_ |= step != Step::nothing;
    }
    updating_ = false;
}

void Frontend::perform(Step step)
{
    switch (step) {
    case Step::nothing:
        break;
    case Step::offer:
        ++refusals_; // until it connects
        if (!offer().ok() || !enter(Stage::offered, offered_).ok())
            let_go_and_close();
        break;
    case Step::connect:
        if (!connect().ok())
            return break_connection("what it says of the device cannot be");
        if (!enter(Stage::connected, XenbusState::connected).ok())
            return break_connection("the store does not take our state, so it cannot know of it");
        refusals_ = 0;
        break;
    case Step::ask_to_close:
        if (!enter(Stage::closing, XenbusState::closing).ok())
            let_go_and_close(); // nobody was asked, so nobody answers
        break;
    case Step::let_go:
        let_go_and_close();
        break;
    case Step::begin_anew:
        if (stage_ == Stage::connected)
            let_go();
        if (!enter(Stage::waiting, XenbusState::initialising).ok()) {
            ++refusals_;
            let_go_and_close();
        }
        break;
    }
}

Result<void> Frontend::enter(Stage stage, XenbusState state)
{
    stage_ = stage;
    return write_number("state", static_cast<u64>(state));
}

void Frontend::let_go_and_close()
{
    let_go();
    enter(Stage::closed, XenbusState::closed).take(); // a folder that has gone needs no state
}

u32 Frontend::offered_number(const char* name, u32 limit, u32 otherwise)
{
    const auto number = store().number(back(name).c_str());
    if (!number)
        return otherwise;
    return *number < limit ? static_cast<u32>(*number) : limit;
}

Result<void> Frontend::write_number(const char* name, u64 value)
{
    return store().write(front(name).c_str(), Value("{}", value).c_str());
}

}

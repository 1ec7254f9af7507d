// Event channels and grants in every interleaving of two processors' atomic steps with few changes between them.

#include "tests/interleavings/explorer.hpp"
#include "tests/unit/event_channels/event_domain.hpp"
#include "tests/unit/grant_tables/grant_domain.hpp"

#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using event_channels::test::EventDomain;
using grant_tables::Status;
using grant_tables::test::GrantDomain;

Explored explore_in_session(const std::function<std::unique_ptr<Scenario>()>& make)
{
    Session session;
    session.machine.set_cpu_count(Scenario::processors);
    return explore(allowed_changes(2), make);
}

// XSA-358: who raises an event and who switches to FIFO each write first and look afterwards: one sees the other.
class SwitchScenario : public Scenario {
public:
    void run(unsigned processor) override
    {
        if (processor == 0)
            event_channels::raise_virq(guest_.table, VcpuId(0), 0);
        else
            guest_.use_fifo();
    }
    std::string verdict() override
    {
        return guest_.word(port_) >> abi::evtchn_fifo_pending & 1 ? "" : "the event is lost";
    }

private:
    EventDomain guest_{1, 1};
    Port port_ = event_channels::bind_virq(guest_.table, 0, VcpuId(0)).take();
};

TEST(SharingInterleavings, NoEventIsLostInTheSwitchToFifo)
{
    EXPECT_EQ(explore_in_session([] { return std::make_unique<SwitchScenario>(); }).failure, "");
}

// XSA-343: a reset against a peer that sends, binds and closes.
class ResetScenario : public Scenario {
public:
    explicit ResetScenario(unsigned act) : act_(act) {}
    void run(unsigned processor) override
    {
        using namespace event_channels;
        if (processor == 0)
            (void)reset(guest_.table, Continued::no).ok();
        else if (act_ == 0)
            (void)send(peer_.table, joined_.b).ok();
        else if (act_ == 1)
            (void)close(peer_.table, joined_.b).ok();
        else
            (void)bind_interdomain(peer_.table, guest_.table, waiting_).ok();
    }
    std::string verdict() override
    {
        using namespace event_channels;
        for (u32 port = 1; port < 8; ++port) {
            const Result<abi::EvtchnStatus> theirs = status(peer_.table, Port(port));
            if (!theirs.ok() || theirs.value().status != abi::EvtchnStat::interdomain)
                continue;
            const Result<abi::EvtchnStatus> ours = status(guest_.table, Port(theirs.value().u.interdomain.port));
            if (!ours.ok() || ours.value().status != abi::EvtchnStat::interdomain ||
                ours.value().u.interdomain.port != port)
                return "the two ends do not name each other";
        }
        return "";
    }

private:
    EventDomain guest_{1, 1}, peer_{2, 1};
    unsigned act_;
    event_channels::test::Joined joined_ = event_channels::test::join(guest_, peer_);
    Port waiting_ = event_channels::alloc_unbound(guest_.table, peer_.owner.id).take();
};

TEST(SharingInterleavings, AResetLeavesBothEndsInAgreement)
{
    for (unsigned act = 0; act < 3; ++act)
        EXPECT_EQ(explore_in_session([&] { return std::make_unique<ResetScenario>(act); }).failure, "") << act;
}

// XSA-228: two processors of one domain at its handles.
class HandleScenario : public Scenario {
public:
    HandleScenario() : shared_(granter_.page()) { granter_.grant(20, shared_, user_); }
    void run(unsigned processor) override
    {
        const auto op = user_.map(granter_, 20, processor);
        handles_[processor] = op.handle;
        good_ = good_ && op.status == Status::okay;
    }
    std::string verdict() override
    {
        if (!good_ || handles_[0] == handles_[1])
            return "two mappings have one handle";
        for (unsigned i = 0; i < processors; ++i)
            good_ = user_.unmap(handles_[i], i) == Status::okay && good_;
        return good_ && mm::reference_count(shared_) == 1 && granter_.marks(20) == 0 ? "" : "a mapping left something";
    }

private:
    GrantDomain granter_{1}, user_{2};
    Mfn shared_;
    u32 handles_[processors] = {};
    bool good_ = true;
};

TEST(SharingInterleavings, TwoMappingsAtOnceHaveHandlesOfTheirOwn)
{
    EXPECT_EQ(explore_in_session([] { return std::make_unique<HandleScenario>(); }).failure, "");
}

}
}

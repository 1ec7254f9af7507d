// Domains that come and go, and what the administrator may ask.
#include "tests/unit/xenstore/store_test.hpp"

namespace xylem::xenstore {

using DomainsTest = StoreTest;

TEST_F(DomainsTest, AnIntroductionIsToldAndKnown)
{
    run({
        {"a", 0, Type::is_domain_introduced, "5|", "F|"},
        {"a", 0, Type::watch, "@introduceDomain|t|", "OK|"},
        {"a", 0, Type::watch, "/|root|", "OK|"},
    });
    events("a");
    introduce(5);
    EXPECT_EQ(events("a"), "@introduceDomain t");
    run({
        {"a", 0, Type::is_domain_introduced, "5|", "T|"},
        {"a", 0, Type::is_domain_introduced, "32752|", "T|"}, // DOMID_SELF
        {"a", 0, Type::get_domain_path, "5|", "/local/domain/5|"},
    });
    introduce(5); // again: a new event channel
    EXPECT_EQ(events("a"), "");
}

TEST_F(DomainsTest, NonsenseIsNotIntroduced)
{
    surroundings.unmappable.insert(DomId(6));
    run({
        {"a", 0, Type::introduce, "5|100|", "EINVAL"},
        {"a", 0, Type::introduce, "0|100|7|", "EINVAL"},
        {"a", 0, Type::introduce, "32752|100|7|", "EINVAL"},
        {"a", 0, Type::introduce, "x|100|7|", "EINVAL"},
        {"a", 0, Type::introduce, "5|100|0|", "EINVAL"},
        {"a", 0, Type::introduce, "5|100|-7|", "EINVAL"},
        {"a", 0, Type::introduce, "6|100|7|", "EINVAL"},
        {"a", 0, Type::is_domain_introduced, "6|", "F|"},
        {"a", 0, Type::release, "5|", "ENOENT"},
        {"a", 0, Type::release, "0|", "EINVAL"},
        {"a", 0, Type::resume, "5|", "ENOENT"},
    });
}

TEST_F(DomainsTest, AShutdownIsToldOnceAndAgainAfterResume)
{
    introduce(5);
    run({{"a", 0, Type::watch, "@releaseDomain|t|", "OK|"}});
    events("a");
    end_domain(5, DomainState::running);
    EXPECT_EQ(events("a"), "");
    end_domain(5, DomainState::shut_down);
    EXPECT_EQ(events("a"), "@releaseDomain t");
    end_domain(5, DomainState::shut_down);
    EXPECT_EQ(events("a"), "");
    run({{"a", 0, Type::resume, "5|", "OK|"}});
    end_domain(5, DomainState::shut_down);
    EXPECT_EQ(events("a"), "@releaseDomain t");
    end_domain(5, DomainState::gone);
    EXPECT_EQ(events("a"), "@releaseDomain t");
    run({{"a", 0, Type::is_domain_introduced, "5|", "F|"}});
    EXPECT_TRUE(surroundings.connected.empty());
}

TEST_F(DomainsTest, WhatADomainOwnsGoesWithIt)
{
    introduce(5);
    run({
        {"a", 0, Type::write, "/x/his/below|1", "OK|"},
        {"a", 0, Type::write, "/x/other|1", "OK|"},
        {"a", 0, Type::set_perms, "/x/his|n5|", "OK|"},
        {"a", 0, Type::set_perms, "/x/other|n0|r5|", "OK|"},
        {"a", 0, Type::watch, "/x/his|t|", "OK|"},
    });
    events("a");
    end_domain(5, DomainState::gone);
    EXPECT_EQ(events("a"), "/x/his t");
    run({{"a", 0, Type::directory, "/x|", "other|"}});
    introduce(5);
    run({{"5", 0, Type::read, "/x/other|", "EACCES"}});
}

// libxl makes a domain's nodes before it introduces the domain; if the creation fails in between they must not stay.
TEST_F(DomainsTest, ADomainThatWasNeverIntroducedIsForgottenToo)
{
    surroundings.existing.insert(DomId(8));
    run({
        {"a", 0, Type::write, "/x|1", "OK|"},
        {"a", 0, Type::set_perms, "/x|n8|", "OK|"},
        {"a", 0, Type::watch, "@releaseDomain|t|", "OK|"},
    });
    events("a");
    EXPECT_EQ(server.known_domains(), std::vector{DomId(8)});
    end_domain(8, DomainState::gone);
    run({{"a", 0, Type::read, "/x|", "ENOENT"}});
    EXPECT_EQ(events("a"), "");
    EXPECT_TRUE(server.known_domains().empty());
}

TEST_F(DomainsTest, TheRootOutlivesItsOwner)
{
    introduce(5);
    run({{"a", 0, Type::set_perms, "/|n5|", "OK|"}, {"5", 0, Type::write, "/his|1", "OK|"}});
    end_domain(5, DomainState::gone);
    run({
        {"a", 0, Type::get_perms, "/|", "n0|"},
        {"a", 0, Type::directory, "/|", "tool|local|"},
    });
}

TEST_F(DomainsTest, ReleaseDisconnectsALivingDomain)
{
    introduce(5);
    run({
        {"a", 0, Type::watch, "@releaseDomain|t|", "OK|"},
        {"a", 0, Type::release, "5|", "OK|"},
        {"a", 0, Type::is_domain_introduced, "5|", "F|"},
    });
    EXPECT_EQ(events("a"), "@releaseDomain t, @releaseDomain t");
}

TEST_F(DomainsTest, ABrokenConnectionIsSilentUntilItsDomainIsGone)
{
    introduce(5);
    run({{"a", 0, Type::mkdir, "/x|", "OK|"}, {"a", 0, Type::set_perms, "/x|r0|", "OK|"}});
    run({{"5", 0, Type::watch, "/x|t|", "OK|"}});
    events("5");
    server.ignore(connection("5"));
    run({{"a", 0, Type::write, "/x|1", "OK|"}});
    EXPECT_TRUE(connection("5").output.empty());
    EXPECT_FALSE(server.accepts_requests(connection("5")));
    EXPECT_EQ(ask("a", 0, Type::is_domain_introduced, "5|"), "T|");
}

TEST_F(DomainsTest, ControlAnswersTheAdministrator)
{
    introduce(5);
    run({
        {"a", 0, Type::control, "check|", "OK|"},
        {"a", 0, Type::control, "log|on|", "OK|"},
        {"a", 0, Type::control, "print|hello|", "OK|"},
        {"a", 0, Type::control, "logfile|/nowhere/x|", "EIO"},
        {"a", 0, Type::control, "logfile|/var/log/x|", "OK|"},
        {"a", 0, Type::control, "quota|set|nodes|5|", "OK|"},
        {"a", 0, Type::control, "quota|set|nodes|many|", "EINVAL"},
        {"a", 0, Type::control, "quota|set|nothing|5|", "EINVAL"},
        {"a", 0, Type::control, "quota|6|", "ENOENT"},
        {"a", 0, Type::control, "brew-coffee|", "EINVAL"},
        {"a", 0, Type::control, "", "EINVAL"},
    });
    EXPECT_TRUE(surroundings.logs_requests);
    EXPECT_EQ(surroundings.printed, std::vector<std::string>{"hello"});
    EXPECT_NE(ask("a", 0, Type::control, "quota|").find("nodes            :        5 Nodes per domain\n"),
              std::string::npos);
    EXPECT_TRUE(ask("a", 0, Type::control, "quota|5|").starts_with("Domain 5:"));
    EXPECT_NE(ask("a", 0, Type::control, "memreport|").find("domain 5: 0 nodes"), std::string::npos);
    EXPECT_EQ(ask("a", 0, Type::control, "help|"),
              "check\t\nlive-update\t[-c <cmdline>] [-F] [-t <timeout>] "
              "<file>\nlog\ton|off\nlogfile\t<file>\nmemreport\t[<file>]\nprint\t<string>\n"
              "quota\t[set <name> <val>|<domid>]\nquota-soft\t[set <name> <val>]\nhelp\t\n|");
    run({
        {"a", 0, Type::control, "memreport|/var/log/x|", "OK|"},
        {"a", 0, Type::control, "memreport|/nowhere/x|", "EIO"},
        {"a", 0, Type::control, "quota-soft|",
         "Quota settings:\n"
         "memory           :  2097152 Total Xenstore memory per domain (warning level)\n|"},
        {"a", 0, Type::control, "quota-soft|set|nodes|5|", "EINVAL"},
        {"a", 0, Type::control, "quota-soft|5|", "EINVAL"},
        {"a", 0, Type::control, "quota-soft|set|memory|500|", "OK|"},
    });
}

TEST_F(DomainsTest, ALiveUpdateIsToldStepByStepWhatIsToCome)
{
    run({
        {"a", 0, Type::control, "live-update|", "EINVAL"},
        {"a", 0, Type::control, "live-update|-s|", "which program? -f names it|"},
        {"a", 0, Type::control, "live-update|-f|/new|", "OK|"},
        {"a", 0, Type::control, "live-update|-s|-t|soon|", "EINVAL"},
        {"a", 0, Type::control, "live-update|-s|-t|60|-F|", "OK|"},
        {"a", 0, Type::control, "live-update|-s|", "which program? -f names it|"},
        {"a", 0, Type::control, "live-update|-f|/never|", "OK|"},
        {"a", 0, Type::control, "live-update|-a|", "OK|"},
        {"a", 0, Type::control, "live-update|-s|", "which program? -f names it|"},
        {"a", 0, Type::control, "live-update|-c|--verbose --no-fork|", "OK|"},
        {"b", 0, Type::control, "live-update|-f|/broken|", "OK|"},
        {"b", 0, Type::control, "live-update|-s|", "it is broken|"},
    });
    EXPECT_EQ(surroundings.updates, (std::vector<std::string>{"/new ", "/broken --verbose --no-fork"}));
}

}

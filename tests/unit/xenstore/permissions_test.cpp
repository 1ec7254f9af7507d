// Who may do what.
#include "tests/unit/xenstore/store_test.hpp"

namespace xylem::xenstore {

class PermissionsTest : public StoreTest {
public:
    PermissionsTest()
    {
        introduce(1);
        introduce(2);
        introduce(3);
    }
};

TEST_F(PermissionsTest, AGuestMayNotTouchWhatIsNotGranted)
{
    run({
        {"a", 0, Type::write, "/secret|s", "OK|"},
        {"1", 0, Type::read, "/secret|", "EACCES"},
        {"1", 0, Type::write, "/secret|x", "EACCES"},
        {"1", 0, Type::directory, "/|", "EACCES"},
        {"1", 0, Type::get_perms, "/secret|", "EACCES"},
        {"1", 0, Type::set_perms, "/secret|n1|", "EACCES"},
        {"1", 0, Type::rm, "/secret|", "EACCES"},
        {"1", 0, Type::mkdir, "/mine|", "EACCES"},
        {"a", 0, Type::read, "/secret|", "s"},
    });
}

// Else a guest could search for names in a directory that it may not list.
TEST_F(PermissionsTest, WhetherANodeExistsIsToldOnlyToWhoMayReadAbove)
{
    run({
        {"a", 0, Type::write, "/dir/there|s", "OK|"},
        {"1", 0, Type::read, "/dir/there|", "EACCES"},
        {"1", 0, Type::read, "/dir/missing|", "EACCES"},
        {"1", 0, Type::read, "/dir/missing/deep|", "EACCES"},
        {"a", 0, Type::set_perms, "/dir|r0|", "OK|"},
        {"1", 0, Type::read, "/dir/missing|", "ENOENT"},
        {"1", 0, Type::read, "/dir/missing/deep|", "ENOENT"},
        {"1", 0, Type::read, "/dir/there|", "EACCES"},
        {"1", 0, Type::write, "/dir/missing|", "EACCES"},
    });
}

TEST_F(PermissionsTest, TheOwnerMayDoEverythingWhateverTheListSays)
{
    run({
        {"a", 0, Type::mkdir, "/x|", "OK|"},
        {"a", 0, Type::set_perms, "/x|n1|", "OK|"},
        {"1", 0, Type::write, "/x|v", "OK|"},
        {"1", 0, Type::read, "/x|", "v"},
        {"1", 0, Type::set_perms, "/x|n1|r2|", "OK|"},
        {"1", 0, Type::get_perms, "/x|", "n1|r2|"},
        {"2", 0, Type::read, "/x|", "v"},
        {"2", 0, Type::write, "/x|w", "EACCES"},
        {"3", 0, Type::read, "/x|", "EACCES"},
    });
}

TEST_F(PermissionsTest, TheFirstEntryHoldsForAllWithoutTheirOwn)
{
    run({
        {"a", 0, Type::write, "/x|v", "OK|"},
        {"a", 0, Type::set_perms, "/x|b0|n2|w3|", "OK|"},
        {"1", 0, Type::read, "/x|", "v"},
        {"1", 0, Type::write, "/x|1", "OK|"},
        {"2", 0, Type::read, "/x|", "EACCES"},
        {"3", 0, Type::read, "/x|", "EACCES"},
        {"3", 0, Type::write, "/x|3", "OK|"},
        {"a", 0, Type::read, "/x|", "3"},
    });
}

TEST_F(PermissionsTest, AGuestOwnsWhatItCreatesAndInheritsTheRest)
{
    run({
        {"a", 0, Type::mkdir, "/x|", "OK|"},
        {"a", 0, Type::set_perms, "/x|n0|b1|r2|", "OK|"},
        {"1", 0, Type::write, "/x/y/z|v", "OK|"},
        {"a", 0, Type::get_perms, "/x/y|", "n1|b1|r2|"},
        {"a", 0, Type::get_perms, "/x/y/z|", "n1|b1|r2|"},
        {"a", 0, Type::write, "/x/y/by-dom0|v", "OK|"},
        {"a", 0, Type::get_perms, "/x/y/by-dom0|", "n1|b1|r2|"},
        {"2", 0, Type::read, "/x/y/z|", "v"},
    });
}

TEST_F(PermissionsTest, OnlyDom0GivesANodeToAnother)
{
    run({
        {"a", 0, Type::mkdir, "/x|", "OK|"},
        {"a", 0, Type::set_perms, "/x|n1|", "OK|"},
        {"1", 0, Type::set_perms, "/x|n2|", "EPERM"},
        {"1", 0, Type::set_perms, "/x|n0|b1|", "EPERM"},
        {"a", 0, Type::set_perms, "/x|n2|", "OK|"},
        {"1", 0, Type::read, "/x|", "EACCES"},
    });
}

TEST_F(PermissionsTest, NonsenseIsRefused)
{
    run({
        {"a", 0, Type::mkdir, "/x|", "OK|"},
        {"a", 0, Type::set_perms, "/x|", "EINVAL"},
        {"a", 0, Type::set_perms, "/x|q1|", "EINVAL"},
        {"a", 0, Type::set_perms, "/x|n|", "EINVAL"},
        {"a", 0, Type::set_perms, "/x|n1x|", "EINVAL"},
        {"a", 0, Type::set_perms, "/x|n70000|", "EINVAL"},
        {"a", 0, Type::set_perms, "/x|n-1|", "EINVAL"},
        {"a", 0, Type::set_perms, "/y|n0|", "ENOENT"},
        {"a", 0, Type::set_perms, "/x|n9|", "ENOENT"}, // no such domain
        {"a", 0, Type::get_perms, "/x|", "n0|"},
    });
}

// The domain's number may be given to another domain later. (XSA-322)
TEST_F(PermissionsTest, AnEntryForADomainThatDoesNotExistIsVoidForever)
{
    run({
        {"a", 0, Type::write, "/x|v", "OK|"},
        {"a", 0, Type::set_perms, "/x|n0|r9|", "OK|"},
        {"a", 0, Type::get_perms, "/x|", "n0|r9|"},
    });
    introduce(9);
    run({
        {"9", 0, Type::read, "/x|", "EACCES"},
        {"a", 0, Type::write, "/x|w", "OK|"},
        {"9", 0, Type::read, "/x|", "EACCES"},
        {"a", 0, Type::set_perms, "/x|n0|r9|", "OK|"},
        {"9", 0, Type::read, "/x|", "w"},
    });
}

TEST_F(PermissionsTest, WhoTargetsADomainHasItsRights)
{
    run({
        {"a", 0, Type::write, "/x|v", "OK|"},
        {"a", 0, Type::set_perms, "/x|n1|", "OK|"},
        {"a", 0, Type::write, "/y|v", "OK|"},
        {"a", 0, Type::set_perms, "/y|n0|r1|", "OK|"},
        {"2", 0, Type::read, "/x|", "EACCES"},
        {"2", 0, Type::set_target, "2|1|", "EACCES"},
        {"a", 0, Type::set_target, "2|1|", "OK|"},
        {"2", 0, Type::write, "/x|w", "OK|"},
        {"2", 0, Type::read, "/y|", "v"},
        {"2", 0, Type::write, "/y|w", "EACCES"},
        {"a", 0, Type::set_target, "2|8|", "ENOENT"},
        {"a", 0, Type::set_target, "2|", "EINVAL"},
    });
    end_domain(1, DomainState::gone);
    EXPECT_EQ(ask("2", 0, Type::read, "/y|"), "EACCES");
}

TEST_F(PermissionsTest, OnlyPrivilegedConnectionsManageDomains)
{
    run({
        {"1", 0, Type::introduce, "4|1|1|", "EACCES"},
        {"1", 0, Type::release, "2|", "EACCES"},
        {"1", 0, Type::resume, "2|", "EACCES"},
        {"1", 0, Type::is_domain_introduced, "2|", "EACCES"},
        {"1", 0, Type::control, "check|", "EACCES"},
        {"1", 0, Type::get_domain_path, "2|", "/local/domain/2|"},
    });
}

TEST_F(PermissionsTest, SpecialEventsAreGrantedLikeNodes)
{
    run({
        {"1", 0, Type::watch, "@releaseDomain|t|", "OK|"},
        {"1", 0, Type::set_perms, "@releaseDomain|r1|", "EACCES"},
        {"a", 0, Type::set_perms, "@nothing|r1|", "EINVAL"},
    });
    EXPECT_EQ(events("1"), "@releaseDomain t");
    end_domain(2, DomainState::gone);
    EXPECT_EQ(events("1"), "");
    EXPECT_EQ(ask("a", 0, Type::set_perms, "@releaseDomain|n0|r1|"), "OK|");
    end_domain(3, DomainState::gone);
    EXPECT_EQ(events("1"), "@releaseDomain t");
}

}

// The syntax of xl.cfg(5), and where its mistakes are said to be.
#include "tools/xl/config/reader.hpp"

#include <gtest/gtest.h>

namespace xylem::xl::config::test {

static Settings parsed(const std::string& text)
{
    Settings settings;
    parse(text, "x.cfg", settings);
    return settings;
}

static std::string complaint(const std::string& text)
{
    try {
        parsed(text);
    } catch (const SyntaxError& error) {
        return error.what();
    }
    return "no complaint";
}

static std::string text(const Settings& settings, const char* name)
{
    const Setting* setting = settings.find(name);
    return setting ? setting->value.text : "(none)";
}

TEST(Syntax, StringsNumbersAndListsAreRead)
{
    const Settings settings = parsed("name = \"demo\"\n"
                                     "memory=256 # MiB\n"
                                     "\n"
                                     "disk = [ 'a,b', \"c\", ]\n");
    EXPECT_EQ(text(settings, "name"), "demo");
    EXPECT_EQ(text(settings, "memory"), "256");
    EXPECT_EQ(settings.find("memory")->value.kind, Value::Kind::number);
    const Value& disk = settings.find("disk")->value;
    ASSERT_EQ(disk.list.size(), 2U);
    EXPECT_EQ(disk.list[0].text, "a,b");
    EXPECT_EQ(disk.list[1].text, "c");
}

TEST(Syntax, SemicolonsSeparateSettingsToo)
{
    const Settings settings = parsed("name='a'; memory=1 ;;vcpus=2");
    EXPECT_EQ(text(settings, "name"), "a");
    EXPECT_EQ(text(settings, "memory"), "1");
    EXPECT_EQ(text(settings, "vcpus"), "2");
}

TEST(Syntax, ListsMayBreakOverLinesAndNest)
{
    const Settings settings = parsed("vnuma = [\n  [ 'pnode=0', # near\n 'size=1' ],\n\n  []\n]\nmemory = 1\n");
    const Value& outer = settings.find("vnuma")->value;
    ASSERT_EQ(outer.list.size(), 2U);
    EXPECT_EQ(outer.list[0].list[1].text, "size=1");
    EXPECT_TRUE(outer.list[1].list.empty());
    EXPECT_EQ(text(settings, "memory"), "1");
}

TEST(Syntax, EscapesInStringsAreThoseOfC)
{
    EXPECT_EQ(text(parsed(R"(extra = "a\tb\\c\"d\x41\101")"), "extra"), "a\tb\\c\"dAA");
    EXPECT_EQ(text(parsed("extra = 'say \"hello\"'"), "extra"), "say \"hello\"");
    EXPECT_EQ(text(parsed("extra = 'a # is no comment here'"), "extra"), "a # is no comment here");
}

// A NUL would end a path or a command line early for whoever takes it as C text.
TEST(Syntax, StringsCannotHoldNul)
{
    EXPECT_EQ(complaint(std::string("a='x\0y'", 8)),
              "x.cfg:1:5: a string cannot hold byte 0x00; it would end there for most who read it");
    for (const char* text : {"a='x\\x00y'", "a='\\0'", "a='\\000'"})
        EXPECT_NE(complaint(text).find("this escape names no character"), std::string::npos) << text;
}

TEST(Syntax, LaterSettingReplacesAnEarlierOne)
{
    const Settings settings = parsed("memory=1\nname='a'\nmemory=2\n");
    EXPECT_EQ(text(settings, "memory"), "2");
    EXPECT_EQ(settings.all().size(), 2U);
}

TEST(Syntax, PlusEqualsAddsToListsAndStrings)
{
    const Settings settings = parsed("disk=['a']\ndisk+=['b']\nextra='x '\nextra+='y'\nvif+=['new']\n");
    EXPECT_EQ(settings.find("disk")->value.list.size(), 2U);
    EXPECT_EQ(text(settings, "extra"), "x y");
    EXPECT_EQ(settings.find("vif")->value.list.size(), 1U);
    EXPECT_EQ(complaint("disk=['a']\ndisk+='b'"), "x.cfg:2:7: 'disk' is a list so far; expected the same to add to it");
}

TEST(Syntax, NumbersAreDecimalOctalOrHexadecimal)
{
    EXPECT_EQ(number_like_strtol("256"), 256);
    EXPECT_EQ(number_like_strtol("0x10"), 16);
    EXPECT_EQ(number_like_strtol("010"), 8);
    EXPECT_EQ(number_like_strtol("08"), std::nullopt);
    EXPECT_EQ(number_like_strtol("12m"), std::nullopt);
    EXPECT_EQ(number_like_strtol(" 1"), 1);
    EXPECT_EQ(number_like_strtol("1 "), std::nullopt);
    EXPECT_EQ(number_like_strtol(""), std::nullopt);
    EXPECT_EQ(number_like_strtol("99999999999999999999"), std::nullopt);
}

TEST(Syntax, FilesFromDosAreRead)
{
    EXPECT_EQ(text(parsed("name='a'\r\nmemory=1\r\n"), "memory"), "1");
}

TEST(Syntax, MistakesAreSaidWithLineColumnAndWhatWasExpected)
{
    EXPECT_EQ(complaint("name=\"x\"\nmemory=\n"),
              "x.cfg:2:8: expected a string in quotes, a number or a list in [ ], found the end of the line");
    EXPECT_EQ(complaint("name \"x\""), "x.cfg:1:6: expected '=' or '+=', found a string");
    EXPECT_EQ(complaint("= 3"), "x.cfg:1:1: expected the name of a setting (small letters, digits and _), found '='");
    EXPECT_EQ(complaint("memory=1 vcpus=2"), "x.cfg:1:10: expected the end of the line or ';', found 'vcpus'");
    EXPECT_EQ(complaint("disk=['a' 'b']"), "x.cfg:1:11: expected ',' or ']', found a string");
    EXPECT_EQ(complaint("disk=['a',\n"),
              "x.cfg:2:1: expected a string in quotes, a number or a list in [ ], found the end of the file");
    EXPECT_EQ(complaint("\n\n  name='x\n"), "x.cfg:3:8: this string does not end on its line; expected a closing '");
    EXPECT_EQ(complaint("memory=12z"),
              "x.cfg:1:8: expected a number (decimal, octal after 0, hexadecimal after 0x), found '12z'");
    EXPECT_EQ(complaint("name='a\\q'"),
              "x.cfg:1:8: a backslash in a string must be followed by one of a b f n r t v \\ ' \" x "
              "or a digit");
    EXPECT_EQ(complaint("name=demo"),
              "x.cfg:1:6: expected a string in quotes, a number or a list in [ ], found 'demo'");
    EXPECT_EQ(complaint("name=Demo"), "x.cfg:1:6: expected a string in quotes, a number or a list in [ ], found 'D'");
    EXPECT_EQ(complaint("memory=-5"), "x.cfg:1:8: expected a string in quotes, a number or a list in [ ], found '-'");
    EXPECT_EQ(complaint("a=1 + 2"), "x.cfg:1:5: expected the end of the line or ';', found '+'");
    EXPECT_EQ(complaint("a=\x01"),
              "x.cfg:1:3: expected a string in quotes, a number or a list in [ ], found byte 0x01");
    EXPECT_EQ(complaint(std::string("\0a=1", 4)),
              "x.cfg:1:1: expected the name of a setting (small letters, digits and _), found byte 0x00");
}

// A hostile or broken file must cost neither our stack nor our patience.
TEST(Syntax, DeepNestingIsRefused)
{
    EXPECT_EQ(complaint("a=" + std::string(100000, '[')), "x.cfg:1:19: lists are nested too deeply");
}

TEST(Syntax, EveryPrefixOfAFileIsReadOrRefused)
{
    const std::string whole = "name = \"de\\x41mo\"; memory=0x100\ndisk += [ 'a', [ 1, '' ] ] # end\n";
    for (std::size_t size = 0; size <= whole.size(); ++size)
        complaint(whole.substr(0, size));
    EXPECT_EQ(complaint(whole), "no complaint");
}

}

// See test.hpp.

#include "frontends/guest/test.hpp"

namespace xylem::guest {
namespace {

enum class Outcome { success, skipped, failure, error };
Outcome outcome = Outcome::success;

void worsen(Outcome to)
{
    if (to > outcome)
        outcome = to;
}

}

void fail(const char* file, int line, const char* what, i64 got, i64 wanted)
{
    print("{}:{}: {} is {}, expected {}\n", file, line, what, got, wanted);
    worsen(Outcome::failure);
}

void error(const char* what)
{
    print("error: {}\n", what);
    worsen(Outcome::error);
}

void skip(const char* why)
{
    print("skipped: {}\n", why);
    worsen(Outcome::skipped);
}

void finish_test()
{
    const char* words[] = {"SUCCESS", "SKIP", "FAILURE", "ERROR"};
    print("Test result: {}\n", words[static_cast<int>(outcome)]);
}

}

// See open_metrics.hpp.

#include "frontends/programs/http/open_metrics.hpp"

namespace xylem::http {

void OpenMetrics::family(const char* name, Type type, const char* help, const char* unit)
{
    name_ = name;
    type_ = type;
    write("# TYPE {} {}\n", name, type == Type::counter ? "counter" : "gauge");
    if (unit)
        write("# UNIT {} {}\n", name, unit);
    write("# HELP {} {}\n", name, help);
}

void OpenMetrics::write_name(const char* labels)
{
    write("{}{}", name_, type_ == Type::counter ? "_total" : "");
    if (*labels)
        write("{{}}", labels);
    write(" ");
}

void OpenMetrics::sample(const char* labels, u64 value)
{
    write_name(labels);
    write("{}\n", value);
}

void OpenMetrics::sample_of_thousandths(const char* labels, u64 thousandths)
{
    const u64 rest = thousandths % 1000;
    write_name(labels);
    write("{}.{}{}{}\n", thousandths / 1000, rest / 100, rest / 10 % 10, rest % 10);
}

}

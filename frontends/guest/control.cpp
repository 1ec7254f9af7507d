// See control.hpp.

#include "frontends/guest/control.hpp"

#include "frontends/guest/drivers.hpp"
#include "frontends/guest/tasks.hpp"

namespace xylem::guest {
namespace {

constexpr char order_node[] = "control/shutdown";

std::optional<abi::ShutdownReason> order;

/// The word is taken back as a sign that it was heard.
void look(void*)
{
    const auto word = store().value(order_node);
    if (!word || word->empty())
        return;
    const auto is = [&](const char* known) { return __builtin_strcmp(word->c_str(), known) == 0; };
    if (is("poweroff") || is("halt"))
        order = abi::ShutdownReason::poweroff;
    else if (is("reboot"))
        order = abi::ShutdownReason::reboot;
    else
        print("The toolstack orders '{}', which this guest does not know.\n", word->c_str());
    store().write(order_node, "").take();
    something_happened();
}

}

void follow_orders()
{
    for (const char* feature : {"control/feature-poweroff", "control/feature-reboot"})
        store().write(feature, "1").take();
    store().watch(order_node, look, nullptr).take();
}

std::optional<abi::ShutdownReason> ordered_end()
{
    return order;
}

}

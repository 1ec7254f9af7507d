// Dom0's network: a bridge on which the guests' interfaces will sit, and on demand a network card as its way out.
#pragma once

#include <string>

namespace xylem::init {

struct Bridge {
    std::string name;
    std::string address; // dotted, "/prefix" behind it
};

/// Brings up the loopback interface and the bridge.
void bring_up_bridge(const Bridge& bridge);

/// Makes the card a port of the bridge, gives the bridge a second address and a default route over `gateway`.
void bring_up_card(const Bridge& bridge, const std::string& card, const std::string& address,
                   const std::string& gateway);

}

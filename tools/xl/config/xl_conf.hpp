// xl.conf(5): what holds for all domains and all of xl.
#pragma once

#include "tools/xl/config/description.hpp"

namespace xylem::xl::config {

struct XlConf {
    Defaults defaults;
    std::string lock_file = "/run/lock/xl";
    std::optional<std::string> pv_cpumask; ///< where PV guests may run at most, of vm.cpumask and vm.pv.cpumask
    std::optional<std::string> vm_cpumask;
};

/// @throws SyntaxError  a number is none, or the file is wrong; other values that make no sense become complaints
XlConf read_xl_conf(const Settings& settings, const std::string& file, Complaints& complaints);

}

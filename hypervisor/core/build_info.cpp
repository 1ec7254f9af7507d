// See build_info.hpp. The date and the changeset come from the build (tools/mk/hypervisor.mk), so that two builds of
// one commit are equal.

#include "hypervisor/core/build_info.hpp"

#ifndef XYLEM_CHANGESET
#define XYLEM_CHANGESET "unknown"
#endif
#ifndef XYLEM_DATE
#define XYLEM_DATE "unknown"
#endif

namespace xylem {

BuildInfo build_info{"g++ " __VERSION__, XYLEM_DATE, XYLEM_CHANGESET, "", nullptr, 0};

}

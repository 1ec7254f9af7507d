// Nobody schedules in these tests.

#include "hypervisor/sched/unit.hpp"

namespace xylem::sched {

void wake(Unit&) {}
void kick(Unit&) {}

}

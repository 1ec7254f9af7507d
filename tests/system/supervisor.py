"""Dom0's init: a service that dies comes back."""

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

DOM0 = """\
other_than() { # PROGRAM NUMBER
    now=$(pidof "$1") && [ "$now" != "$2" ]
}

for service in xylem-blkback xylem-netback xenconsoled; do
    step kill $service
    before=$(pidof $service)
    kill -9 $before
    wait_until 20 other_than $service $before
done

echo SUPERVISOR-PASSED
"""


@system_test(seconds=40)
def a_killed_service_comes_back(run):
    lines = run_script(run, Machine(hypervisor="xen", tools="xylem", smp=1), DOM0, 120)
    check("SUPERVISOR-PASSED" in lines, "the script in dom0 came to no verdict")
    ended = [line for line in lines if "ended (killed by Killed), starts again in 0.1 s" in line]
    check(len(ended) == 3, f"three services were killed, {len(ended)} are said to have ended")

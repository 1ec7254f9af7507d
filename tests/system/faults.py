"""Each step of create, attach, detach and destroy fails in turn, and nothing is left of what was begun.

build/tests/bin/failing-xl is xl, of which one step in a run is refused: a hypercall, a request to the store, a file operation, a
process. Where xl then says that it has failed, all that dom0 holds must be as before it ran, or once more as before the domain after
the same command without a fault; where it went on without the step, its work is undone by the ordinary command, and again nothing may
remain: no domain, no frame, no port, no node, no interface, no process, no open file of a daemon, no record.
"""

import os
import random

from tests.collect import dom0_state
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

SAMPLE = 24  # of the steps, one in so many where not all are tried

DOM0 = dom0_state.AS_BEFORE + dom0_state.SMALL_GUEST + """\
refused=0
passed=0

with_fault() { # STEP XL-ARGUMENTS...: whether xl succeeded
    at=$1; shift
    status=0
    XYLEM_FAULT_STEP=$at /rig/failing-xl "$@" > /run/out 2>&1 || status=$?
    fault=$(sed -n 's/^FAULT-AT //p' /run/out | head -n 1)
    if [ $status = 0 ]; then
        passed=$((passed + 1))
        return 0
    fi
    refused=$((refused + 1))
    if [ $status != 1 ] || ! grep -q '^xl: ' /run/out; then
        cat /run/out
        expect "what xl $1 answers without step $fault" "a reason, and status 1" "the above, and status $status"
    fi
    return 1
}

each_step() { # ATTEMPT: until there is no such step any more
    step "$1, each STRIDE of its steps from FIRST"
    number=FIRST
    while $1 $number; [ -n "$fault" ]; do
        number=$((number + STRIDE))
    done
    [ $number -gt 20 ] || expect "steps of $1" "more than 20" $number
    echo "$1: fewer than $number steps; refused $refused, went on $passed"
    refused=0
    passed=0
}

create() {
    if with_fault $1 create -q /run/faults.cfg; then
        xl destroy faults
    fi
    as_before /run/state.before "create without step $fault"
}

destroy() {
    xl create -q /run/faults.cfg
    if ! with_fault $1 destroy faults && ! gone faults; then
        xl destroy faults
    fi
    as_before /run/state.before "destroy without step $fault"
}

attach_disk() {
    if with_fault $1 block-attach keeper /run/second.img,raw,xvdc,w; then
        xl block-detach keeper xvdc
    fi
    as_before /run/state.keeper "block-attach without step $fault"
}

detach_disk() {
    xl block-attach keeper /run/second.img,raw,xvdc,w
    if ! with_fault $1 block-detach keeper xvdc && xl block-list keeper | grep -q ^51744; then
        xl block-detach keeper xvdc
    fi
    as_before /run/state.keeper "block-detach without step $fault"
}

attach_interface() {
    if with_fault $1 network-attach keeper mac=00:16:3e:00:00:77; then
        xl network-detach keeper 00:16:3e:00:00:77
    fi
    as_before /run/state.keeper "network-attach without step $fault"
}

detach_interface() {
    xl network-attach keeper mac=00:16:3e:00:00:77
    if ! with_fault $1 network-detach keeper 00:16:3e:00:00:77 && xl network-list keeper | grep -q 00:16:3e:00:00:77; then
        xl network-detach keeper 00:16:3e:00:00:77
    fi
    as_before /run/state.keeper "network-detach without step $fault"
}

step first guests of each kind, so that what is kept for the next is there, in the heap of real Xen, too
small_guest faults > /run/faults.cfg
cp /run/faults.img /run/second.img
grep -vE '^(name|extra)' /etc/xen/demo.cfg > /run/keeper.cfg
cat >> /run/keeper.cfg <<END
name = "keeper"
extra = "console=hvc0 mode=idle"
END
for warm in 1 2 3; do
    xl create -q /run/faults.cfg
    xl destroy faults
done
sleep 2
/rig/dom0-state > /run/state.before
each_step create
each_step destroy

step a guest that has devices come and go
xl create -q /run/keeper.cfg
wait_until 120 guest_says keeper XYLEM-GUEST-READY
xl block-attach keeper /run/second.img,raw,xvdc,w
xl network-attach keeper mac=00:16:3e:00:00:77
sleep 1
xl block-detach keeper xvdc
xl network-detach keeper 00:16:3e:00:00:77
sleep 2
/rig/dom0-state > /run/state.keeper
each_step attach_disk
each_step detach_disk
each_step attach_interface
each_step detach_interface
xl destroy keeper
AUDIT
echo FAULTS-PASSED
"""


def try_steps(run, hypervisor, first, stride, seconds):
    script = DOM0.replace("STRIDE", str(stride)).replace("FIRST", str(first)).replace("AUDIT", dom0_state.AUDIT[hypervisor])
    files = dom0_state.files("failing-xl", "idle.elf")
    lines = run_script(run, Machine(hypervisor=hypervisor, tools="xylem"), script, seconds, files=files)
    check("FAULTS-PASSED" in lines, "the script in dom0 came to no verdict")


@system_test(seconds=90)
def some_steps_fail(run):
    seed = int(os.environ.get("XYLEM_SEED") or random.randrange(1 << 32))
    first = random.Random(seed).randrange(1, SAMPLE + 1)
    print(f"    one step in {SAMPLE} from {first} on, XYLEM_SEED={seed}", flush=True)
    try_steps(run, "xylem", first, SAMPLE, 300)


@system_test(seconds=600, always=False, variants=OUR_TOOLS)
def each_step_fails(run, hypervisor, _):
    try_steps(run, hypervisor, 1, 1, 2700)

"""Dom0's init: a service that dies comes back, and the store's without anybody noticing."""

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


STORE = """\
other_than() { # PROGRAM NUMBER
    now=$(pidof "$1") && [ "$now" != "$2" ]
}

step watch
xenstore-write /test/kept yes /test/event 0
xenstore-watch -n 11 /test/event > /run/events &
watcher=$!
wait_until 10 grep -q event /run/events

for round in 1 2 3 4 5 6 7 8 9 10; do
    step kill xenstored, time $round
    before=$(pidof xenstored)
    kill -9 $before
    xenstore-write /test/event $round
    expect "what was written after the kill" $round "$(xenstore-read /test/event)"
    expect "what was written before all kills" yes "$(xenstore-read /test/kept)"
    wait_until 20 other_than xenstored $before
done

step another binary in its place
mkdir /run/newer
cp $(command -v xenstored) /run/newer/
before=$(pidof xenstored)
xenstore-control live-update /run/newer/xenstored
expect "the process of the store" $before "$(pidof xenstored)"
expect "its program" /run/newer/xenstored "$(readlink /proc/$before/exe)"
expect "what was written before" yes "$(xenstore-read /test/kept)"
status=0
xenstore-control live-update /bin/busybox > /run/refused 2>&1 || status=$?
[ $status = 3 ] && grep -q 'no xenstored that understands' /run/refused || expect "a refusal" "with status 3" "$status: $(cat /run/refused)"

step the watcher
wait $watcher
expect "events" 11 "$(wc -l < /run/events)"
expect "the store's books" OK "$(xenstore-control check)"

step a guest
xl create -q /etc/xen/demo.cfg
kill -9 $(pidof xenstored)
wait_until 200 guest_says demo XYLEM-GUEST-READY
xenstore-control live-update $(command -v xenstored)
kill -9 $(pidof xenstored)
xl destroy demo
expect "the guest's nodes" 1 "$(xenstore-list /local/domain | wc -l)"

echo STORE-PASSED
"""


@system_test(seconds=120, always=False)
def nobody_notices_that_the_store_is_killed(run):
    lines = run_script(run, Machine(hypervisor="xen", tools="xylem", smp=1), STORE, 500)
    check("STORE-PASSED" in lines, "the script in dom0 came to no verdict")

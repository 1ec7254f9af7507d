"""What an administrator sees of domains at work: xl top on a screen and in lines, xl metrics once and by HTTP, xl explain of the living and the dead."""

import json
import subprocess

from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

DOM0 = """\
counted() { # LABELS-PATTERN: the sum of a metric
    xl metrics | sed -n "s/^$1 //p" | awk '{ sum += $1 } END { print sum + 0 }'
}

explains() { # DOMAIN TEXT
    xl explain "$1" > /run/account
    grep -qF "$2" /run/account || { cat /run/account; expect "the account of $1" "with '$2'" without; }
}

step create a guest that waits for orders
sed 's/console=hvc0/console=hvc0 mode=idle/' /etc/xen/demo.cfg > /run/idle.cfg
xl create -p /run/idle.cfg
explains demo "is paused: xl unpause lets it run"
explains demo "the backend is ready, and waits for the guest's driver"
xl unpause demo
wait_until 120 guest_says demo XYLEM-GUEST-READY
id=$(xl domid demo)

step show it in lines
xl top -b -i 2 -d 1 -n -x -v > /run/top
expect "headers" 2 "$(grep -c '^      NAME  STATE   CPU(sec) CPU(%)' /run/top)"
expect "rows of the guest" 2 "$(grep -c '^      demo [-b]*[-r] ' /run/top)"
expect "its interfaces and disks" "2 2" "$(grep -c '^Net0 RX: ' /run/top) $(grep -c '^VBD BlkBack 51712 \\[ca: 0\\]' /run/top)"
awk '$1 == "demo" && $11 > 0 && $13 == 1 && $15 > 0 && $16 > 0 && $17 > 0 && $18 > 0' /run/top > /run/counted
expect "rows with all counters above 0" 2 "$(wc -l < /run/counted)"
xl top --json -i 1 | sed 's/^/JSON /'

step show it on the screen
stty rows 24 cols 150
before=$(stty -g)
xl top -i 1
echo
expect "the terminal afterwards" "$before" "$(stty -g)"
(sleep 3; kill -TERM "$(cat /run/top.pid)") &
sh -c 'echo $$ > /run/top.pid; exec xl top' && status=0 || status=$?
echo
expect "its status when ended by SIGTERM" 143 $status
expect "the terminal afterwards" "$before" "$(stty -g)"
xl top < /dev/null 2> /run/refused && expect "xl top without a terminal" refused accepted
grep -q 'xl top --batch' /run/refused

step count on though the backend is killed
requests='xen_vbd_latency_seconds_count.*vbd="51712".*'
first=$(counted "$requests")
expect "requests so far" "above 0" "$([ "$first" -gt 0 ] && echo above 0)"
kill -KILL "$(pidof xylem-blkback)"
wait_until 20 pidof xylem-blkback > /dev/null
sleep 1
second=$(counted "$requests")
expect "requests after a restart" "as many or more" "$([ "$second" -ge "$first" ] && echo as many or more)"

step print and serve metrics
xl metrics > /run/metrics
expect "its last line" "# EOF" "$(tail -n 1 /run/metrics)"
sed 's/^/METRICS /' /run/metrics
xl metrics --listen 9417 2> /dev/null &
server=$!
wait_until 10 wget -q -O /run/served http://127.0.0.1:9417/metrics
grep -q "^xen_domain_info.domid=\\"$id\\",name=\\"demo\\"" /run/served
wget -q -O /dev/null http://10.9.0.1:9417/metrics 2> /dev/null && expect "another address than loopback" silent answering
kill $server
wait $server

step explain it as it lives
explains demo "Domain 'demo', id $id,"
explains demo "disk xvda (/var/lib/xen/images/demo.img): it works (backend connected, guest connected)"
explains demo "interface 0 (00:16:3e:00:00:01, on xenbr0): it works"
explains demo "vbd $id/51712: "

step explain how it ended
xl shutdown -w demo
end_of demo 60
explains demo "Domain 'demo', id $id, powered itself off."
explains demo "What followed: destroy."
xl explain nobody 2> /run/refused && expect "an account of nobody" refused given
grep -q "there is no domain 'nobody', and no account of one" /run/refused

step explain a panic, before and after it is taken away
sed '/^ramdisk/d' /run/idle.cfg > /run/panic.cfg
xl create /run/panic.cfg
wait_until 60 sh -c 'xl top -b -i 1 | grep -q "^      demo ---c"'
explains demo "has crashed: Kernel panic - not syncing: VFS"
xl destroy demo
explains demo "has crashed: Kernel panic - not syncing: VFS"
explains demo "What followed: preserve; destroyed by xl destroy."
explains demo "Before that, the latest first:"
explains demo "powered itself off; then destroy"
xl explain --json demo | tr -d '\\n' | sed 's/^/ACCOUNTS /'
echo
expect "counters that are left" "" "$(ls /run/xylem/disks 2>/dev/null)"
echo MONITORING-PASSED
"""

PARSE = """\
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(sum(len(family.samples) for family in parse(sys.stdin.read())))
"""


def lines_after(lines, word):
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def read_by_prometheus(text):
    """How many samples Debian's python3-prometheus-client finds in it."""
    ended = subprocess.run(["/usr/bin/python3", "-c", PARSE], input=text, capture_output=True, text=True, check=False)
    check(ended.returncode == 0, f"Prometheus's parser refuses what xl metrics says: {ended.stderr}")
    return int(ended.stdout)


@system_test(seconds=120, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def domains_are_seen_at_work(run, hypervisor, tools):
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DOM0, 600)
    check("MONITORING-PASSED" in lines, "the script in dom0 came to no verdict")
    demo = next(domain for domain in json.loads(lines_after(lines, "JSON")[0])["domains"] if domain["name"] == "demo")
    check(demo["disks"][0]["reads"] > 0 and demo["interfaces"][0]["rx"]["bytes"] > 0, f"counters are missing: {demo}")
    check(read_by_prometheus("\n".join(lines_after(lines, "METRICS")) + "\n") > 100, "xl metrics tells less than it should")
    accounts = json.loads(lines_after(lines, "ACCOUNTS")[0])
    check([account["followed"] for account in accounts] == ["preserve; destroyed by xl destroy", "destroy"],
          f"the accounts that are kept: {accounts}")


# CPU(sec) and CPU(%) go on between the two; the rest of a row stays.
AS_XENTOP = f"""\
xl create /etc/xen/demo.cfg "extra='console=hvc0 mode=idle'"
wait_until 120 guest_says demo XYLEM-GUEST-READY
sleep 2
for options in "" "-f" "-n -x -r"; do
    for program in xentop "{FOLDER_BESIDE_DEBIAN}/xl top"; do
        $program -b -i 1 $options | awk '/^ *(Domain-0|demo) / {{ $2 = $3 = $4 = "" }} {{ print }}' > "/run/$(basename "${{program%% *}}")"
    done
    diff /run/xentop /run/xl
done
echo AS-XENTOP-PASSED
"""


@system_test(seconds=90, always=False)
def lines_are_those_of_xentop(run):
    lines = run_script(run, Machine(hypervisor="xen", tools="debian"), AS_XENTOP, 400)
    check("AS-XENTOP-PASSED" in lines, "xl top and Debian's xentop differ")

"""Nothing is left of a guest that has ended, and the hypervisor is frugal: pages counted, and the machine audited.

The hypervisor's own memory is what neither is free nor belongs to a domain, of all that the machine has.
"""

import re
from pathlib import Path

from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from tests.collect import dom0_state
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS, SQUARES
from tests.collect.system import system_test
from tools.run.machine import Machine, megabytes

PROGRAMS = Path("build/tests/bin")
PAGE_KIB = 4
MOST_OF_RAM, MOST_BESIDES_KIB = 0.012, 8 << 10
MOST_AN_IDLE_DOMAIN_KIB = 128

PAGES = """\
pages() { # NAME: a line for the test: free pages, those of all domains, dom0's
    echo "PAGES $1 $(/rig/host-pages)"
}
"""

DOM0 = PAGES + """\
audit() { # WHEN
    if [ HYPERVISOR = xylem ]; then
        OUR_XL audit > /run/audit || { cat /run/audit; expect "what the audit finds $1" nothing "the above"; }
    fi
}

no_zombie() {
    [ "$(xl list | awk 'NR > 1' | wc -l)" = 1 ]
}

config() { # NAME: the demo's guest, idle
    grep -vE '^(name|extra)' /etc/xen/demo.cfg
    echo "name = '$1'"
    echo "extra = 'console=hvc0 mode=idle'"
}

audit "before all guests"
pages start

step an idle domain
cat > /run/idle.cfg <<END
name = "idle"
type = "pv"
kernel = "/rig/idle.elf"
memory = 16
END
xl create /run/idle.cfg
wait_until 30 guest_says idle IDLE-GUEST-WAITS
pages idle
audit "with an idle domain"
xl destroy idle
end_of idle 20

for name in first second third; do
    step $name guest
    config $name > /run/guest.cfg
    xl create /run/guest.cfg
    wait_until 120 guest_says $name XYLEM-GUEST-READY
    audit "while the $name guest runs"
    case $name in
        second) xl destroy $name ;;
        *) xl shutdown $name ;;
    esac
    end_of $name 60
    # The backends let go of the last of its pages when they learn of its end.
    wait_until 10 no_zombie
    pages $name
    audit "after the $name guest"
done
echo LEAKS-PASSED
"""


def pages_of(lines):
    """When -> (free, all domains', dom0's)."""
    found = (re.fullmatch(r"PAGES (\w+) (\d+) (\d+) (\d+)", line) for line in lines)
    return {match[1]: tuple(map(int, match.groups()[1:])) for match in found if match}


def own_kib(machine, pages):
    """The hypervisor's memory. It counts a few pages of the firmware's as its own."""
    free, domains, _ = pages
    return (megabytes(machine.mem) << 10) - (free + domains) * PAGE_KIB


def programs():
    return {f"rig/{name}": (PROGRAMS / name).read_bytes() for name in ("host-pages", "idle.elf")}


def check_own_memory(machine, pages):
    own, most = own_kib(machine, pages), int((megabytes(machine.mem) << 10) * MOST_OF_RAM) + MOST_BESIDES_KIB
    check(own <= most, f"the hypervisor has {own} KiB of {machine.mem} for itself, {most} KiB is the most it may have")


@system_test(seconds=110, variants=SQUARES, always={"xylem-on-xylem"})
def after_guests(run, hypervisor, tools):
    machine = Machine(hypervisor=hypervisor, tools=tools, idle_scrub=True)
    our_xl = "xl" if tools == "xylem" else f"{FOLDER_BESIDE_DEBIAN}/xl"
    script = DOM0.replace("HYPERVISOR", hypervisor).replace("OUR_XL", our_xl)
    lines = run_script(run, machine, script, 400, files=programs())
    check("LEAKS-PASSED" in lines, "the script in dom0 came to no verdict")
    pages = pages_of(lines)
    for later in ("second", "third"):
        check(pages[later] == pages["first"],
              f"free pages, all domains', dom0's after the first guest: {pages['first']}, after the {later}: {pages[later]}")
    if hypervisor == "xylem":
        check_own_memory(machine, pages["start"])
        cost = own_kib(machine, pages["idle"]) - own_kib(machine, pages["start"])
        check(cost <= MOST_AN_IDLE_DOMAIN_KIB,
              f"an idle domain costs the hypervisor {cost} KiB, {MOST_AN_IDLE_DOMAIN_KIB} KiB is the most it may cost")


@system_test(seconds=40, variants={mem: (mem,) for mem in ("768M", "6G")}, always=False)
def own_memory(run, mem):
    machine = Machine(smp=4, mem=mem)
    lines = run_script(run, machine, PAGES + "pages start\n", 30, files=programs())
    check_own_memory(machine, pages_of(lines)["start"])


# The neighbour works on its disk and by TCP as long as its host lets it.
NEIGHBOUR = """\
set -e
dd if=/dev/urandom of=/tmp/piece bs=1M count=2 2>/dev/null
sum=$(crc32 < /tmp/piece)
echo "NEIGHBOUR working"
while [ "$(wget -q -O - http://10.9.0.1/goes-on)" = yes ]; do
    for i in 1 2 3 4; do cat /tmp/piece; done > /mnt/data
    sync
    echo 3 > /proc/sys/vm/drop_caches
    [ "$(head -c 2097152 /mnt/data | crc32)" = "$sum" ] || { echo "what was written has changed"; exit 1; }
    [ "$(wget -q -O - http://10.9.0.1/big | crc32)" = "$(wget -q -O - http://10.9.0.1/sum)" ] || { echo "what came by TCP differs"; exit 1; }
    echo "NEIGHBOUR well"
done
"""

CYCLES = dom0_state.AS_BEFORE + dom0_state.SMALL_GUEST + """\
waits() { # DOMAIN
    xl list "$1" | grep -q -- '-b-'
}

nobody_is_served() { # FILE: takes the state; whether the web server had no process for a page just then
    /rig/dom0-state > "$1"
    [ "$(grep -c '^process busybox' "$1")" = 1 ]
}

# The hypervisor keeps a page for each group of grant references that the neighbour has used, and of mappings that dom0 has had at once:
# how many depends on what was in flight at once, and grows at any time while it works (seven were seen).
KEPT=16
pages() { # FILE
    sed -n 's/^free pages: //p' "$1"
}
but_for_kept() { # FILE
    but_for_pages "$1" && [ $(($(pages "$1") - $(pages /run/state))) -le $KEPT ]
}

step a neighbour that works
dd if=/dev/urandom of=/srv/www/big bs=1M count=1 2>/dev/null
crc32 < /srv/www/big > /srv/www/sum
echo yes > /srv/www/goes-on
grep -v '^extra' /etc/xen/demo.cfg > /run/neighbour.cfg
echo 'extra = "console=hvc0 mode=demo script=neighbour.sh"' >> /run/neighbour.cfg
xl create -q /run/neighbour.cfg
wait_until 120 guest_says demo "NEIGHBOUR working"
small_guest cycle > /run/cycle.cfg
for i in $(seq 0 COUNT); do
    case $((i % 3)) in
        0) xl create -q -p /run/cycle.cfg ;;
        1) xl create -q /run/cycle.cfg ;;
        2) xl create -q /run/cycle.cfg; wait_until 30 waits cycle ;;
    esac
    xl destroy cycle
    if [ $i = 0 ]; then
        sleep 2
        wait_until 60 nobody_is_served /run/before
    elif [ $((i % 50)) = 0 ]; then
        step "$i guests have come and gone"
        as_before /run/before "$i guests" but_for_kept
    fi
done
echo no > /srv/www/goes-on
end_of demo 60
expect "the neighbour" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
[ "$(console_of demo | grep -c 'NEIGHBOUR well')" -gt 3 ]
AUDIT
echo CYCLES-PASSED
"""
CYCLE_COUNT = 200


@system_test(seconds=400, variants=OUR_TOOLS, always=False)
def after_hundreds_of_guests(run, hypervisor, _):
    script = CYCLES.replace("COUNT", str(CYCLE_COUNT)).replace("AUDIT", dom0_state.AUDIT[hypervisor])
    files = {**dom0_state.files("idle.elf"), "srv/www/neighbour.sh": NEIGHBOUR}
    lines = run_script(run, Machine(hypervisor=hypervisor, tools="xylem"), script, 2400, files=files)
    check("CYCLES-PASSED" in lines, "the script in dom0 came to no verdict")

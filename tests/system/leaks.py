"""Nothing is left of a guest that has ended, and the hypervisor is frugal: pages counted, and the machine audited.

The hypervisor's own memory is what neither is free nor belongs to a domain, of all that the machine has.
"""

import re
from pathlib import Path

from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import SQUARES
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
    machine = Machine(hypervisor=hypervisor, tools=tools)
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

"""The guest tests as unprivileged guests, among them the attempts of XSA-148, 182, 212, 227, 234 and 286.

The guests are all of tests/guest/: each reports on its console, and ends; one ends in each way in which a domain may come to its
end. After each the audit must be clean, and no memory gone.
On real Xen, which has no audit, they show that the tests are right.
"""

from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

GUESTS = Path("build/tests/guest")
NAMES = sorted({main.parent.name for main in Path("tests/guest").glob("*/main.cpp")} - {"deaths"})
# How a guest may come to its end (tests/guest/deaths): xl's letters for a domain that has shut down, and why.
ENDS = {"iret-frame": "sc", "iret-user": "sc", "stack": "sc", "handler": "sc", "callback": "sc", "watchdog": "sw", "down": "s-",
        "shutdown": "sc"}
SQUARES = {"xylem-on-xylem": ("xylem", "xylem"), "debian-on-xen": ("xen", "debian")}

# Each vCPU stays on its processor: without an invariant TSC real Xen's clocks of two processors lie milliseconds apart under load,
# so that a guest that wakes up on the other one sees a deadline not yet reached (of 300 polls 32, by up to 3 ms; pinned, none).
DOM0 = """\
free_memory() {
    xl info | sed -n 's/^free_memory *: //p'
}

start() { # GUEST [WORDS FOR ITS COMMAND LINE [MORE CONFIGURATION]]
    step "$1 ${2-}"
    cat > "/run/$1.cfg" <<END
name = "$1"
type = "pv"
kernel = "/rig/$1.elf"
memory = 16
vcpus = 2
cpus = ["0", "1"]
extra = "${2-}"
${3-}
END
    rm -f "/var/log/xen/console/guest-$1.log"
    xl create "/run/$1.cfg"
}

nothing_left() { # GUEST
    audit
    free_now=$(free_memory)
    expect "free memory after $1" "${free_after:=$free_now}" "$free_now"
}

attempt() { # GUEST
    start "$1"
    end_of "$1" 60
    console_of "$1"
    expect "$1" "Test result: SUCCESS" "$(console_of "$1" | grep '^Test result')"
    nothing_left "$1"
}

has_shut_down() { # DOMAIN
    xl list "$1" | tail -n 1 | grep -q -- ' [-rbp]*s'
}

state_of() { # DOMAIN: whether it has shut down, and why
    xl list "$1" | tail -n 1 | sed -E 's/.* [-rbp]{3}([-s].).*/\\1/'
}

end_by() { # WAY LETTERS
    start deaths "way=$1" "$KEPT"
    wait_until 30 has_shut_down deaths || { console_of deaths; xl list; return 1; }
    wait_until 10 guest_says deaths "about to end: $1"
    expect "its state" "$2" "$(state_of deaths)"
    xl destroy deaths
    nothing_left "deaths by $1"
}

KEPT='on_poweroff = "preserve"
on_crash = "preserve"
on_watchdog = "preserve"'

audit
"""

AUDIT = {"xylem": "audit() { xl audit; }\n", "xen": "audit() { :; }\n"}


@system_test(seconds=60, variants=SQUARES, always={"xylem-on-xylem"})
def unprivileged_guests(run, hypervisor, tools):
    files = {f"rig/{name}.elf": (GUESTS / f"{name}.elf").read_bytes() for name in [*NAMES, "deaths"]}
    attempts = "".join(f"attempt {name}\n" for name in NAMES)
    ends = "".join(f"end_by {way} {letters}\n" for way, letters in ENDS.items())
    script = AUDIT[hypervisor] + DOM0 + attempts + ends + "echo ISOLATION-PASSED\n"
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), script, 500, files=files)
    check("ISOLATION-PASSED" in lines, "the script in dom0 came to no verdict")

"""The guest tests as unprivileged guests, among them the attempts of XSA-148, 182, 212, 227, 234 and 286.

The guests are all of tests/guest/: each reports on its console, and ends. After each the audit must be clean, and no memory gone.
On real Xen, which has no audit, they show that the tests are right.
"""

from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

GUESTS = Path("build/tests/guest")
NAMES = sorted(main.parent.name for main in Path("tests/guest").glob("*/main.cpp"))
SQUARES = {"xylem-on-xylem": ("xylem", "xylem"), "debian-on-xen": ("xen", "debian")}

DOM0 = """\
free_memory() {
    xl info | sed -n 's/^free_memory *: //p'
}

attempt() { # GUEST
    step "$1"
    cat > "/run/$1.cfg" <<END
name = "$1"
type = "pv"
kernel = "/rig/$1.elf"
memory = 16
vcpus = 2
END
    xl create "/run/$1.cfg"
    end_of "$1" 60
    console_of "$1"
    expect "$1" "Test result: SUCCESS" "$(console_of "$1" | grep '^Test result')"
    audit
    free_now=$(free_memory)
    expect "free memory after $1" "${free_after:=$free_now}" "$free_now"
}

audit
"""

AUDIT = {"xylem": "audit() { xl audit; }\n", "xen": "audit() { :; }\n"}


@system_test(seconds=60, variants=SQUARES, always={"xylem-on-xylem"})
def unprivileged_guests(run, hypervisor, tools):
    files = {f"rig/{name}.elf": (GUESTS / f"{name}.elf").read_bytes() for name in NAMES}
    script = AUDIT[hypervisor] + DOM0 + "".join(f"attempt {name}\n" for name in NAMES) + "echo ISOLATION-PASSED\n"
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), script, 400, files=files)
    check("ISOLATION-PASSED" in lines, "the script in dom0 came to no verdict")

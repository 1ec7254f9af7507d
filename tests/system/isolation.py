"""Unprivileged guests try what broke Xen's isolation (XSA-148, 182, 212, 227, 234, 286); after each the audit must be clean.

The guests are those of tests/guest/xsa_*: each reports on its console, and ends.
"""

from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

GUESTS = Path("build/tests/guest")
ATTEMPTS = sorted(Path(folder).name for folder in Path("tests/guest").glob("xsa_*"))

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
END
    xl create "/run/$1.cfg"
    end_of "$1" 60
    console_of "$1"
    expect "$1" "Test result: SUCCESS" "$(console_of "$1" | grep '^Test result')"
    xl audit
    free_now=$(free_memory)
    expect "free memory after $1" "${free_after:=$free_now}" "$free_now"
}

xl audit
"""


@system_test(seconds=90)
def attempts_of_known_advisories(run):
    files = {f"rig/{name}.elf": (GUESTS / f"{name}.elf").read_bytes() for name in ATTEMPTS}
    script = DOM0 + "".join(f"attempt {name}\n" for name in ATTEMPTS) + "echo ISOLATION-PASSED\n"
    lines = run_script(run, Machine(smp=1), script, 300, files=files)
    check("ISOLATION-PASSED" in lines, "the script in dom0 came to no verdict")

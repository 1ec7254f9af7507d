"""`make debug`: gdb has the hypervisor's symbols, and our commands show its log and its domains."""

import subprocess
import sys

from tests.collect.outcome import check
from tests.collect.system import system_test

# One processor: it enters the idle loop when dom0 has been built.
COMMANDS = """\
xylem log
hbreak start_idle
continue
xylem log
xylem domains
kill
"""
SECONDS = 120


@system_test(seconds=15)
def gdb_shows_the_hypervisor(run):
    done = subprocess.run([sys.executable, "-m", "tools.run.debug", "--smp=1"], input=COMMANDS, capture_output=True, text=True,
                          timeout=SECONDS)
    said = done.stdout + done.stderr
    (run.folder / "gdb.log").write_text(said)
    run.log = run.folder / "gdb.log"
    for wanted in ("the hypervisor does not run yet", "start_idle", "(xylem) Xylem, a paravirtual hypervisor", "domain 0: "):
        check(wanted in said, f"gdb never said '{wanted}'")

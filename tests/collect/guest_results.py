"""Refreshes tests/guest/results.md: what the guest tests found on Xylem and on real Xen, as dom0 and as domU."""

import re
from datetime import date
from pathlib import Path

from tests.collect.outcome import Verdict

GUESTS = Path("tests/guest")
RESULTS = GUESTS / "results.md"
XEN_LOG = Path("build/logs/system/guest/hello[xen]/console.log")
SQUARES = {"xylem": "xylem-on-xylem", "xen": "debian-on-xen"}   # in which of system/isolation's squares each has them as domU
WORDS = {Verdict.PASSED: "SUCCESS", Verdict.FAILED: "FAILURE", Verdict.SKIPPED: ""}
TABLE = re.compile(r"^Last run on .*?\n\n(\|[^\n]*\n)+", re.MULTILINE | re.DOTALL)


def xen_version():
    found = re.search(r"Xen version (\S+)", XEN_LOG.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "of a version that it did not tell"


def row(name, verdicts):
    tests = [test for hypervisor, square in SQUARES.items()
             for test in (f"system/guest/{name}[{hypervisor}]", f"system/isolation/unprivileged_guests[{square}]")]
    return f"| {name} | " + " | ".join(WORDS[verdicts[test]] for test in tests) + " |\n"


def refresh(results):
    """`results` as in table.write. @return whether all tests of the table have run; if not, it stays as it is"""
    verdicts = {name: outcomes[0].verdict for name, outcomes, _ in results if outcomes}
    try:
        rows = [row(main.parent.name, verdicts) for main in sorted(GUESTS.glob("*/main.cpp"))]
    except KeyError:
        return False
    table = (f"Last run on {date.today().isoformat()}, beside Xen {xen_version()}.\n\n"
             "| test | Xylem: dom0 | domU | Xen: dom0 | domU |\n| --- | --- | --- | --- | --- |\n" + "".join(rows))
    RESULTS.write_text(TABLE.sub(lambda _: table, RESULTS.read_text(encoding="utf-8")), encoding="utf-8")
    return True

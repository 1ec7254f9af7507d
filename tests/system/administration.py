"""docs/administration.md is true: what it says can be typed can be typed, from its first line to its last."""

import re
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

GUIDE = Path("docs/administration.md")
TYPED = re.compile(r"^    dom0# (.*)$", re.MULTILINE)
# A guest that has shut down is destroyed soon after: its xl in the background sees to it.
ALL_GONE = """\
domains_left() { xl list | awk 'NR > 1 && $2 != 0' | wc -l; }
none_left() { [ "$(domains_left)" = 0 ]; }
wait_until 30 none_left || expect "domains left" 0 "$(domains_left)"
"""


@system_test(seconds=240, always=False)
def what_the_guide_says(run):
    typed = "".join(f"{line}\n" for line in TYPED.findall(GUIDE.read_text(encoding="utf-8")))
    script = f"step type what the guide says\n{typed}{ALL_GONE}echo GUIDE-PASSED\n"
    lines = run_script(run, Machine(mem="2G"), script, 600)
    check("GUIDE-PASSED" in lines, "the script in dom0 came to no verdict")

"""No hypercall runs longer than its budget of instructions without asking whether there is something better to do.

A small guest (tests/support/budget_guest) makes each hypercall with what is worst for it, under QEMU's `-icount`, where the time
stamp counter counts instructions, and tells the longest stretch of each.
"""

import re
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.system import system_test
from tools.run.machine import Machine

GUEST = Path("build/tests/bin/budget.elf")
BUDGET = 100_000
ROW = re.compile(r"budget \| (.+) \| (-?\d+) \| (\d+) \| (\d+)")
RESULT = re.compile(r"Test result: (\w+)")
FEWEST_ROWS = 30


@system_test(seconds=15)
def no_hypercall_exceeds_it(run):
    machine = Machine(kernel=GUEST, initrd="", smp=1, mem="512M", dom0_mem="192M", icount=True)
    with run.boot(machine, 240) as console:
        _, match = console.expect(RESULT.pattern, 240)
    rows = [(what, int(result), int(attempts), int(longest))
            for what, result, attempts, longest in ROW.findall(run.log.read_text(encoding="utf-8", errors="replace"))]
    table = "\n".join([f"{'hypercall':62} {'result':>10} {'attempts':>8} {'longest':>9}"] +
                      [f"{what:62} {result:>10} {attempts:>8} {longest:>9}" for what, result, attempts, longest in rows])
    (run.folder / "table.txt").write_text(table + "\n", encoding="utf-8")
    check(match[1] == "SUCCESS", f"the guest could not carry out its measurements: {match[0]}")
    check(len(rows) >= FEWEST_ROWS, f"{len(rows)} measurements came, {FEWEST_ROWS} were expected")
    over = [what for what, _, _, longest in rows if longest > BUDGET]
    check(not over, f"without a preemption point these exceed {BUDGET} instructions: {'; '.join(over)}\n{table}")

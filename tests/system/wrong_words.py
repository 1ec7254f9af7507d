"""Wrong words to `make run` and `make demo`: each is named in one sentence at once, and the exit status tells."""

import subprocess
import sys

from tests.collect.outcome import check
from tests.collect.system import system_test

# A word for tools.run.demo -> what the complaint must hold
WRONG = {
    "--smp=many": "SMP=many: expected a number of processors",
    "--smp=0": "SMP=0: expected a number of processors",
    "--mem=much": "MEM=much: expected a number of MiB",
    "--mem=64M": "MEM=64M: expected at least",
    "--boot=floppy": "BOOT=floppy: expected kernel or iso",
    "--cpu=nonsense": "unable to find CPU model 'nonsense'",
    "--machine=nonsense": "unsupported machine type",
    "--hyp=nonsense": "'nonsense'",
}
SECONDS = 30


@system_test(seconds=10)
def are_named_at_once(run):
    for word, complaint in WRONG.items():
        command = [sys.executable, "-m", "tools.run.demo", "--log", str(run.folder / "demo.log"), word]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        said = done.stdout + done.stderr
        check(done.returncode != 0, f"{word} is taken")
        check(complaint in said, f"{word}: expected a complaint holding '{complaint}', found: {said.strip()[-300:]}")

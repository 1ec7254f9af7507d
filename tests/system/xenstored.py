"""What of xenstored's unit tests is too long for every change."""

import os
import subprocess

from tests.collect.outcome import check
from tests.collect.system import system_test

BINARY = "build/tests/unit/xenstore_kill"


@system_test(seconds=600, always=False, variants={str(seed): (seed,) for seed in (11, 12, 13)})
def nobody_can_tell_that_it_was_killed_thousands_of_times(run, seed):
    environment = {**os.environ, "XENSTORE_KILLS": "1000", "XENSTORE_SEED": str(seed)}
    with open(run.log, "wb") as log:
        ended = subprocess.run([BINARY], stdout=log, stderr=subprocess.STDOUT, env=environment, timeout=3000).returncode
    check(ended == 0, f"seed {seed}: {BINARY} ended with status {ended}")

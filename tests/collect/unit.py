"""Unit tests: each GoogleTest binary is a job, each of its cases an outcome.

`make test-all` runs some a second time with more to do, and the threaded ones under ThreadSanitizer.
"""

import json
import os
import subprocess
from pathlib import Path

from tests.collect.job import Job
from tests.collect.outcome import Outcome, Verdict

SECONDS = 300
LONG_SECONDS = 1800
LOGS = Path("build/logs")
# What the environment of a second, longer run says, and about how many seconds that takes.
LONGER = {name: ({"XYLEM_MORE_CHANGES": "1"}, 300) for name in ("interleavings", "sched_interleavings")}


def jobs(binaries):
    paths = [Path(binary) for binary in binaries]
    longer = [(path, *LONGER[path.name]) for path in paths if path.name in LONGER]
    return [job("unit", path, 20) for path in paths] + [
        job("long", path, seconds, always=False, environment=environment, limit=LONG_SECONDS)
        for path, environment, seconds in longer]


def tsan_jobs(binaries):
    longest_memory = {"TSAN_OPTIONS": "history_size=7"}  # or it has often forgotten what the other thread did
    return [job("tsan", Path(binary), 60, always=False, environment=longest_memory) for binary in binaries]


def job(kind, binary, seconds, always=True, environment=None, limit=SECONDS):
    return Job(f"{kind}/{binary.name}", lambda: run_binary(kind, binary, environment or {}, limit), seconds, always)


def run_binary(kind, binary, environment, limit):
    folder, base = LOGS / kind, f"{kind}/{binary.name}"
    folder.mkdir(parents=True, exist_ok=True)
    report, log = folder / f"{binary.name}.json", folder / f"{binary.name}.log"
    report.unlink(missing_ok=True)
    with open(log, "wb") as out:
        try:
            ended = subprocess.run([binary, f"--gtest_output=json:{report}"], stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, timeout=limit, env=os.environ | environment).returncode
        except subprocess.TimeoutExpired:
            return [Outcome(base, Verdict.FAILED, f"still runs after {limit} s", log)]
    # A crash or a sanitizer's complaint ends the binary before it can report.
    if not report.exists():
        return [Outcome(base, Verdict.FAILED, f"ended with status {ended} and no report", log)]
    outcomes = [case_outcome(base, suite, case, log)
                for suite in json.loads(report.read_text())["testsuites"] for case in suite["testsuite"]]
    if ended != 0 and all(outcome.verdict is not Verdict.FAILED for outcome in outcomes):
        outcomes.append(Outcome(base, Verdict.FAILED, f"all cases passed, yet it ended with status {ended}", log))
    return outcomes


def case_outcome(base, suite, case, log):
    name = f"{base}/{suite['name']}.{case['name']}"
    if case.get("result") == "SKIPPED":
        return Outcome(name, Verdict.SKIPPED)
    if "failures" in case:
        return Outcome(name, Verdict.FAILED, case["failures"][0]["failure"], log)
    return Outcome(name, Verdict.PASSED)

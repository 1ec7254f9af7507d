"""Unit tests: each GoogleTest binary is a job, each of its cases an outcome."""

import json
import subprocess
from pathlib import Path

from tests.collect.job import Job
from tests.collect.outcome import Outcome, Verdict

SECONDS = 300
LOGS = Path("build/logs/unit")


def jobs(binaries):
    return [Job(f"unit/{Path(binary).name}", lambda binary=binary: run_binary(Path(binary)), seconds=20) for binary in binaries]


def run_binary(binary):
    LOGS.mkdir(parents=True, exist_ok=True)
    report, log = LOGS / f"{binary.name}.json", LOGS / f"{binary.name}.log"
    report.unlink(missing_ok=True)
    with open(log, "wb") as out:
        try:
            ended = subprocess.run([binary, f"--gtest_output=json:{report}"], stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, timeout=SECONDS).returncode
        except subprocess.TimeoutExpired:
            return [Outcome(f"unit/{binary.name}", Verdict.FAILED, f"still runs after {SECONDS} s", log)]
    # A crash or a sanitizer's complaint ends the binary before it can report.
    if not report.exists():
        return [Outcome(f"unit/{binary.name}", Verdict.FAILED, f"ended with status {ended} and no report", log)]
    outcomes = [case_outcome(binary, suite, case, log)
                for suite in json.loads(report.read_text())["testsuites"] for case in suite["testsuite"]]
    if ended != 0 and all(outcome.verdict is not Verdict.FAILED for outcome in outcomes):
        outcomes.append(Outcome(f"unit/{binary.name}", Verdict.FAILED, f"all cases passed, yet it ended with status {ended}", log))
    return outcomes


def case_outcome(binary, suite, case, log):
    name = f"unit/{binary.name}/{suite['name']}.{case['name']}"
    if case.get("result") == "SKIPPED":
        return Outcome(name, Verdict.SKIPPED)
    if "failures" in case:
        return Outcome(name, Verdict.FAILED, case["failures"][0]["failure"], log)
    return Outcome(name, Verdict.PASSED)

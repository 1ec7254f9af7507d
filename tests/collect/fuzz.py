"""Fuzz targets: `make test-all` has each look for new inputs for a short time; `make fuzz` does it for longer."""

from pathlib import Path

from tests.collect.job import Job
from tests.collect.outcome import Outcome, Verdict
from tests.fuzz.run import fuzz

SECONDS = 10


def jobs(fuzzers):
    return [job(Path(fuzzer).parent.name) for fuzzer in fuzzers]


def job(target):
    return Job(f"fuzz/{target}", lambda: run(target), 2 * SECONDS, always=False)


def run(target):
    ended = fuzz(target, SECONDS)
    verdict = Verdict.FAILED if ended.failure else Verdict.PASSED
    return [Outcome(f"fuzz/{target}", verdict, ended.failure or "", ended.log)]

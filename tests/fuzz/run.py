"""Runs the fuzzers, one after the other, for a given time each, and prints a line of a table for each.

An input that fails is kept in build/fuzz/TARGET/ and named. Exit status 1 if there was any.
Usage: python3 -m tests.fuzz.run [--seconds N] [--only PATTERN]
       python3 -m tests.fuzz.run --merge [--only PATTERN]     takes what was found into the corpus, as far as it reaches new code
"""

import argparse
import fnmatch
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path("tests/fuzz/corpus")
BUILT = Path("build/fuzz")
LOGS = Path("build/logs/fuzz")
LARGEST_INPUT = 16 << 10
SECONDS_AN_INPUT = 20
MEGABYTES = 2048


@dataclass
class Run:
    log: Path
    tried: int          # inputs
    edges: int          # of the code, reached
    failure: str | None


def targets(pattern):
    return sorted(path.name for path in CORPUS.iterdir() if fnmatch.fnmatch(path.name, pattern))


def fuzzer(target, log, *words):
    """@return its exit status"""
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        return subprocess.run([BUILT / target / "fuzzer", f"-max_len={LARGEST_INPUT}", f"-timeout={SECONDS_AN_INPUT}",
                               f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={BUILT / target}/", "-close_fd_mask=1", *words],
                              stdout=out, stderr=subprocess.STDOUT).returncode


def last_number(pattern, text):
    return int((re.findall(pattern, text) or ["0"])[-1])


def fuzz(target, seconds):
    found = BUILT / target / "found"
    found.mkdir(exist_ok=True)
    log = LOGS / f"{target}.log"
    ended = fuzzer(target, log, f"-max_total_time={seconds}", "-print_final_stats=1", found, CORPUS / target)
    text = log.read_text(encoding="utf-8", errors="replace")
    failure = None
    if ended != 0:
        artifact = re.search(r"Test unit written to (\S+)", text)
        failure = f"{artifact[1] if artifact else f'status {ended}'}, see {log}"
    return Run(log, last_number(r"stat::number_of_executed_units:\s*(\d+)", text), last_number(r" cov: (\d+)", text), failure)


def merge(target):
    """@return the number of inputs that the corpus has got"""
    before = len(list((CORPUS / target).iterdir()))
    log = LOGS / f"{target}-merge.log"
    if fuzzer(target, log, "-set_cover_merge=1", "-use_counters=0", CORPUS / target, BUILT / target / "found") != 0:
        sys.exit(f"the fuzzer '{target}' could not merge what it found, see {log}")
    return len(list((CORPUS / target).iterdir())) - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--only", default="*")
    parser.add_argument("--merge", action="store_true")
    arguments = parser.parse_args()
    names = targets(arguments.only)
    if not names:
        sys.exit(f"no fuzz target's name matches '{arguments.only}': they are the folders of {CORPUS}/")
    if arguments.merge:
        for name in names:
            print(f"{name}: {merge(name)} new inputs in the corpus", flush=True)
        return
    failed = 0
    print(f"{'target':15} {'seconds':>7} {'inputs':>10} {'edges':>6}  result")
    for name in names:
        print(f"{name:15} {arguments.seconds:7}", end="", flush=True)
        run = fuzz(name, arguments.seconds)
        failed += run.failure is not None
        print(f" {run.tried:10,} {run.edges:6,}  {'FAILED: ' + run.failure if run.failure else 'clean'}", flush=True)
    print(f"{len(names)} targets, {len(names) - failed} clean, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

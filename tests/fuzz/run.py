"""Runs the fuzzers, one after the other, for a given time each, and prints a line for each.

An input that fails is kept in build/fuzz/TARGET/ and named. Exit status 1 if there was any.
Usage: python3 -m tests.fuzz.run [--seconds N] [--only PATTERN]
"""

import argparse
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

CORPUS = Path("tests/fuzz/corpus")
BUILT = Path("build/fuzz")
LOGS = Path("build/logs/fuzz")
LARGEST_INPUT = 16 << 10
SECONDS_AN_INPUT = 20
MEGABYTES = 2048


def fuzz(target, seconds):
    """@return (inputs tried, what failed)"""
    folder = BUILT / target
    found = folder / "found"
    found.mkdir(exist_ok=True)
    log = LOGS / f"{target}.log"
    with open(log, "wb") as out:
        ended = subprocess.run([folder / "fuzzer", f"-max_total_time={seconds}", f"-max_len={LARGEST_INPUT}",
                                f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={folder}/",
                                "-print_final_stats=1", "-close_fd_mask=1", found, CORPUS / target],
                               stdout=out, stderr=subprocess.STDOUT).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    if ended == 0:
        return int(tried[1]) if tried else 0, None
    artifact = re.search(r"Test unit written to (\S+)", text)
    return int(tried[1]) if tried else 0, f"{artifact[1] if artifact else f'status {ended}'}, see {log}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--only", default="*")
    arguments = parser.parse_args()
    names = sorted(path.name for path in CORPUS.iterdir() if fnmatch.fnmatch(path.name, arguments.only))
    if not names:
        sys.exit(f"no fuzz target's name matches '{arguments.only}': they are the folders of {CORPUS}/")
    LOGS.mkdir(parents=True, exist_ok=True)
    failed = 0
    for number, name in enumerate(names, start=1):
        print(f"[{number}/{len(names)}] {name}: {arguments.seconds} s", end="", flush=True)
        tried, failure = fuzz(name, arguments.seconds)
        failed += failure is not None
        print(f", {tried} inputs, {'FAILED: ' + failure if failure else 'clean'}", flush=True)
    print(f"{len(names)} targets, {len(names) - failed} clean, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""Runs the tests: units, guests, systems and lint, two at a time but for those that run alone, a line for each as it ends.

Usage: python3 -m tests.run [--all] [--only PATTERN] [--list] [--table FILE] [--guest-results] [--unit BINARY...] [--tsan BINARY...]
                           [--fuzz FUZZER...] [--guests IMAGE...]
Ends with the line `N passed, N failed, N skipped`; exit status 1 if any failed.
"""

import argparse
import fnmatch
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.collect import fuzz, guest, guest_results, system, table, unit
from tests.collect.job import Job
from tests.collect.outcome import Outcome, Verdict

WORKERS = 2
TAIL_LINES = 40
LINT_LOG = Path("build/logs/lint.log")


def lint():
    LINT_LOG.parent.mkdir(parents=True, exist_ok=True)
    with open(LINT_LOG, "wb") as out:
        ended = subprocess.run(["make", "--no-print-directory", "lint"], stdout=out, stderr=subprocess.STDOUT).returncode
    if ended == 0:
        return [Outcome("lint", Verdict.PASSED)]
    return [Outcome("lint", Verdict.FAILED, f"make lint ends with {ended}", LINT_LOG)]


def matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split(","))


def all_jobs(arguments):
    jobs = [Job("lint", lint, seconds=30), *unit.jobs(arguments.unit), *unit.tsan_jobs(arguments.tsan), *fuzz.jobs(arguments.fuzz),
            *system.jobs(), *guest.jobs(arguments.guests, arguments.hypervisors)]
    jobs = [job for job in jobs if (job.always or arguments.all) and matches(job.name, arguments.only)]
    return sorted(jobs, key=lambda job: -job.seconds)


def details(outcome):
    """Why, and for what failed the end of its log: the lines that follow its name."""
    if outcome.reason:
        yield "    " + outcome.reason.replace("\n", "\n    ")
    if outcome.verdict is Verdict.FAILED and outcome.log:
        yield f"    the end of {outcome.log}:"
        lines = outcome.log.read_text(encoding="utf-8", errors="replace").splitlines() if outcome.log.exists() else []
        yield from (f"    | {line}" for line in lines[-TAIL_LINES:])


def report(outcomes, seconds, done, total):
    for outcome in outcomes:
        # A passed case of many is not worth a line of its own.
        if outcome.verdict is Verdict.PASSED and len(outcomes) > 1:
            continue
        print("\n".join((f"[{done}/{total}] {outcome.verdict.value:7} {seconds:6.1f} s  {outcome.name}", *details(outcome))), flush=True)
    passed = sum(outcome.verdict is Verdict.PASSED for outcome in outcomes)
    if len(outcomes) > 1 and passed:
        prefix = outcomes[0].name.rsplit("/", 1)[0]
        print(f"[{done}/{total}] passed  {seconds:6.1f} s  {prefix}: {passed} cases", flush=True)


def timed(job):
    started = time.monotonic()
    return job.run(), time.monotonic() - started


def finished(jobs):
    """Runs them, those last that want the machine for themselves. Yields each job as it ends, its outcomes, how long it took."""
    for alone in (False, True):
        with ThreadPoolExecutor(1 if alone else WORKERS) as pool:
            futures = {pool.submit(timed, job): job for job in jobs if job.alone == alone}
            for future in as_completed(futures):
                yield futures[future], *future.result()


def run(jobs):
    counts = Counter()
    failed = []
    results = []
    for done, (job, outcomes, seconds) in enumerate(finished(jobs), start=1):
        report(outcomes, seconds, done, len(jobs))
        results.append((job.name, outcomes, seconds))
        counts.update(outcome.verdict for outcome in outcomes)
        failed += [outcome for outcome in outcomes if outcome.verdict is Verdict.FAILED]
    return counts, failed, results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="also what is too slow for every change")
    parser.add_argument("--only", default="*", help="run the tests whose names match this shell pattern, or one of several with commas between")
    parser.add_argument("--list", action="store_true", help="name the tests and run none")
    parser.add_argument("--table", type=Path, help="write the results to this file too, as a table in Markdown")
    parser.add_argument("--guest-results", action="store_true", help="refresh tests/guest/results.md if all that it tells of has run")
    parser.add_argument("--unit", nargs="*", default=[])
    parser.add_argument("--tsan", nargs="*", default=[])
    parser.add_argument("--fuzz", nargs="*", default=[])
    parser.add_argument("--guests", nargs="*", default=[])
    parser.add_argument("--hypervisors", nargs="*", default=["xylem", "xen"])
    arguments = parser.parse_args()
    jobs = all_jobs(arguments)
    if arguments.list:
        print("\n".join(job.name for job in jobs))
        return
    if not jobs:
        sys.exit(f"no test's name matches '{arguments.only}': --list names them all")
    started = time.monotonic()
    counts, failed, results = run(jobs)
    seconds = time.monotonic() - started
    print(f"\n{seconds:.0f} s in all")
    if arguments.table:
        table.write(arguments.table, results, seconds)
        print(f"the table is in {arguments.table}")
    if arguments.guest_results and guest_results.refresh(results):
        print(f"what the guests found is in {guest_results.RESULTS}")
    for outcome in failed:  # once more: whoever is sent the end of the output only must find the reason there
        print("\n".join((f"failed: {outcome.name}", *details(outcome))))
    print(f"{counts[Verdict.PASSED]} passed, {counts[Verdict.FAILED]} failed, {counts[Verdict.SKIPPED]} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

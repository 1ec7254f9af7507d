"""Seeded flaws: puts each patch of tests/mutants/ into a copy of the tree, builds the test that it names, and expects a failure.

A patch opens with prose and a line `Test: BINARY CASE`. Survival of a mutant means that the test does not test what it says.
Usage: python3 -m tests.mutants.run [PATTERN]     (the unit tests have been built: `make unit`)
"""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

MUTANTS = Path("tests/mutants")
COPY = Path("build/mutants")
LOGS = Path("build/logs/mutants")
BUILT = ["obj/core-test", "lib/core-test.a", "obj/test", "obj/hypervisor/asm_offsets.h"]


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True)
    return [Path(line) for line in listed.stdout.splitlines() if Path(line).is_file()]


def copy_tree():
    """The sources and what has been built of the core, with their times, so that only what a patch touches is built again."""
    shutil.rmtree(COPY, ignore_errors=True)
    for path in sources():
        (COPY / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, COPY / path)
    for built in BUILT:
        source, target = Path("build") / built, COPY / "build" / built
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def patch(path, *flags):
    return subprocess.run(["patch", "-s", "-p1", *flags, "-i", path.resolve()], cwd=COPY).returncode == 0


def build(binary, log):
    with open(log, "ab") as out:
        return subprocess.run(["make", "-j2", f"build/tests/unit/{binary}"], cwd=COPY, stdout=out,
                              stderr=subprocess.STDOUT).returncode == 0


def fails(binary, case, log):
    with open(log, "ab") as out:
        try:
            return subprocess.run([f"./build/tests/unit/{binary}", f"--gtest_filter={case}"], cwd=COPY, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=300).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def judge(path):
    """@return what is wrong with the mutant, or nothing if its test has killed it"""
    named = re.search(r"^Test: (\S+) (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    if not named:
        return "names no test: give it a line `Test: BINARY CASE`"
    binary, case = named.groups()
    log = LOGS / f"{path.stem}.log"
    log.unlink(missing_ok=True)
    if not patch(path):
        return "does not apply: the code has changed, seed the flaw anew"
    try:
        if not build(binary, log):
            return f"does not build, see {log}"
        return None if fails(binary, case, log) else f"lives: {case} passes with the flaw in place"
    finally:
        patch(path, "-R")


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*"
    LOGS.mkdir(parents=True, exist_ok=True)
    copy_tree()
    wrong = 0
    for path in sorted(MUTANTS.glob("*.patch")):
        if not fnmatch.fnmatch(path.stem, pattern):
            continue
        complaint = judge(path)
        print(f"{path.stem}: {complaint or 'killed'}", flush=True)
        wrong += complaint is not None
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

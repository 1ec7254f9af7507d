"""Seeded flaws: puts each patch of tests/mutants/ into a copy of the tree, builds the test that it names, and expects a failure.

A patch opens with prose and a line `Test: BINARY CASE`, for a case of a unit test, or `Test: guest NAME`, for a guest of
tests/guest/ that shows it from inside (it boots on Xylem). Survival of a mutant means that the test does not test what it says;
so does a test that fails without the mutant, which is why each is first run in the tree as it is.
Usage: python3 -m tests.mutants.run [PATTERN]     (the tests that the patches name have been built)
       python3 -m tests.mutants.run --targets     prints what must be built
"""

import fnmatch
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MUTANTS = Path("tests/mutants")
COPY = Path("build/mutants")
LOGS = Path("build/logs/mutants")
BUILT = ["obj/core-test", "lib/core-test.a", "obj/test", "obj/interleavings", "obj/guest", "obj/hypervisor"]
SECONDS = 300


@dataclass
class Mutant:
    path: Path
    binary: str     # "guest" for a guest test
    case: str

    def targets(self):
        if self.binary == "guest":
            return [f"build/tests/guest/{self.case}.elf", "build/xylem.elf"]
        return [f"build/tests/unit/{self.binary}"]

    def command(self):
        if self.binary == "guest":
            return ["python3", "-m", "tests.run", "--only", f"system/guest/{self.case}?xylem?", "--hypervisors", "xylem",
                    "--guests", f"build/tests/guest/{self.case}.elf"]
        return [f"./build/tests/unit/{self.binary}", f"--gtest_filter={self.case}", "--gtest_fail_fast"]

    def test(self):
        return f"{self.binary} {self.case}"


def read_mutants(pattern):
    mutants = []
    for path in sorted(MUTANTS.glob("*.patch")):
        if not fnmatch.fnmatch(path.stem, pattern):
            continue
        named = re.search(r"^Test: (\S+) (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if not named:
            sys.exit(f"{path} names no test: give it a line `Test: BINARY CASE` or `Test: guest NAME`")
        mutants.append(Mutant(path, *named.groups()))
    return mutants


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True)
    return [Path(line) for line in listed.stdout.splitlines() if Path(line).is_file()]


def copy_tree():
    """The sources and what has been built of them, with their times, so that only what a patch touches is built again."""
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


def build(targets, log):
    with open(log, "ab") as out:
        return subprocess.run(["make", "-j2", *targets], cwd=COPY, stdout=out, stderr=subprocess.STDOUT).returncode == 0


def passes(mutant, folder, log):
    with open(log, "ab") as out:
        try:
            ended = subprocess.run(mutant.command(), cwd=folder, stdout=out, stderr=subprocess.STDOUT, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return False
    # A filter that matches no case passes with any flaw in place.
    ran = mutant.binary == "guest" or b"\n[ RUN      ]" in log.read_bytes()
    return ended.returncode == 0 and ran


def judge(mutant):
    """@return what is wrong with the mutant, or nothing if its test has killed it"""
    log = LOGS / f"{mutant.path.stem}.log"
    log.unlink(missing_ok=True)
    if not passes(mutant, ".", log):
        return f"its test fails without it, see {log}"
    if not patch(mutant.path):
        return "does not apply: the code has changed, seed the flaw anew"
    try:
        if not build(mutant.targets(), log):
            return f"does not build, see {log}"
        return "lives: its test passes with the flaw in place" if passes(mutant, COPY, log) else None
    finally:
        patch(mutant.path, "-R")


def main():
    if sys.argv[1:] == ["--targets"]:
        print(*sorted({target for mutant in read_mutants("*") for target in mutant.targets()}))
        return 0
    mutants = read_mutants(sys.argv[1] if len(sys.argv) > 1 else "*")
    if not mutants:
        sys.exit(f"no mutant's name matches '{sys.argv[1]}': they are the patches of {MUTANTS}/")
    LOGS.mkdir(parents=True, exist_ok=True)
    copy_tree()
    width = max(len(mutant.path.stem) for mutant in mutants)
    survived = 0
    for mutant in mutants:
        complaint = judge(mutant)
        survived += complaint is not None
        print(f"{mutant.path.stem:{width}}  {'SURVIVED' if complaint else 'killed  '}  {mutant.test()}", flush=True)
        if complaint:
            print(f"{'':{width}}  {complaint}", flush=True)
    print(f"{len(mutants)} mutants, {len(mutants) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

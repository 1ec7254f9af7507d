"""make new-driver and make new-guest: what they lay out builds at once, its test passes, and a bad NAME is refused in one line.

In a copy of the tree, whose objects are the tree's own where nothing has changed.
"""

import shutil
import subprocess
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.system import system_test

BUILT = ("lib", "obj/guest", "obj/host", "obj/test/shared")
BAD_NAMES = {"Clock": "is no name", "../x": "is no name", "": "is missing", "net": "is taken", "rng": "there already"}


def copy_of_the_tree(to):
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    for file in filter(Path.is_file, map(Path, files.stdout.splitlines())):
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, to / file)
    for folder in BUILT:
        (to / "build" / folder).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-al", f"build/{folder}", to / "build" / folder], check=True)


def make(tree, *words):
    return subprocess.run(["make", "--no-print-directory", *words], cwd=tree, capture_output=True, text=True)


@system_test(seconds=120, always=False)
def build_at_once(run):
    tree = (run.folder / "tree").absolute()
    copy_of_the_tree(tree)
    for name, why in BAD_NAMES.items():
        refused = make(tree, "new-driver", f"NAME={name}")
        check(refused.returncode != 0 and why in refused.stderr, f"NAME={name}: expected '{why}', found: {refused.stderr}")
    before = set(tree.rglob("*"))
    for kind, name in (("driver", "aclock"), ("driver", "zclock"), ("guest", "minute")):
        made = make(tree, f"new-{kind}", f"NAME={name}")
        check(made.returncode == 0, f"make new-{kind} NAME={name}: {made.stderr}")
    goals = ["build/tests/unit/aclock", "build/bin/xylem-aclockback", "build/guests/tryaclock.elf", "build/tests/unit/zclock",
             "build/guests/minute.elf"]
    built = make(tree, "-j2", *goals)
    run.log.write_text(built.stdout + built.stderr)
    check(built.returncode == 0, "what was laid out does not build")
    for name in ("aclock", "zclock"):
        tested = subprocess.run([tree / f"build/tests/unit/{name}"], capture_output=True, text=True)
        check(tested.returncode == 0, f"the test of {name} fails: {tested.stdout[-2000:]}")
    sources = [str(path) for path in set(tree.rglob("*")) - before if path.suffix in (".cpp", ".hpp")]
    formatted = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=tree, capture_output=True, text=True)
    check(sources and formatted.returncode == 0, f"it is not formatted as the tree is: {formatted.stderr[:2000]}")
    shutil.rmtree(tree)

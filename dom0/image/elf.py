"""The shared libraries that a program needs, and theirs, found in a list of folders.

The order of the folders counts: the dynamic linker and libc must come from one place, so both are looked up alike.
"""

import re
import subprocess
from functools import lru_cache
from pathlib import Path

MULTIARCH = "x86_64-linux-gnu"


class MissingLibrary(Exception):
    pass


@lru_cache(maxsize=None)
def needed(path):
    """The names in an ELF file's NEEDED entries and its interpreter's; nothing for any other file."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return ()
    out = subprocess.run(["readelf", "-ld", path], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", out)
    names += [Path(name).name for name in re.findall(r"program interpreter: (.*)\]", out)]
    return tuple(names)


def library_folders(root):
    return [Path(root) / folder for folder in (f"lib/{MULTIARCH}", f"usr/lib/{MULTIARCH}", "lib64", "usr/lib64")]


def closure(programs, folders):
    """Library name -> file, for all that `programs` need."""
    found = {}
    waiting = [(name, program) for program in programs for name in needed(str(program))]
    while waiting:
        name, wanted_by = waiting.pop()
        if name in found:
            continue
        for folder in folders:
            if (folder / name).exists():
                found[name] = (folder / name).resolve()
                waiting += [(further, found[name]) for further in needed(str(found[name]))]
                break
        else:
            raise MissingLibrary(f"{wanted_by} needs {name}, which is in none of {', '.join(map(str, folders))}")
    return found

"""Checks what may include what: the floors of the hypervisor, and what user space may see of it.

A file includes its own floor's folder and lower floors, never upward; folders of one floor do not include each other; no two
files include each other. Outside the hypervisor only its `abi` and `base` are to be seen.
Usage: python3 tools/lint/floors.py
"""

import re
import sys
from pathlib import Path

# Lowest first; folders that share a floor do not know each other.
FLOORS = [
    ["hypervisor/abi"],
    ["hypervisor/base"],
    ["hypervisor/core", "hypervisor/boot"],
    ["hypervisor/mm", "hypervisor/sched"],
    ["grant_tables", "event_channels"],
    ["hypervisor/domain"],
    ["hypervisor/hypercall"],
    ["hypervisor/arch"],
]
FLOOR = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}

# Floors that may be looked down to from outside the hypervisor.
OUTSIDE_SEES = {"hypervisor/abi", "hypervisor/base"}
OUTSIDE = ["xenstore", "backends", "dom0", "tools", "frontends"]
# What parts of user space and frontends share beside abi and base; everything else is their own folder.
OUTSIDE_SHARES = {"tools": {"dom0", "xenstore", "backends"}, "backends": {"dom0", "xenstore"}, "dom0": {"xenstore"},
                  "xenstore": {"dom0"}, "frontends": set()}

# The part of a virtual machine monitor that loads guests from files is the same for the hypervisor and for dom0's builder.
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "hypervisor" and len(parts) > 2 else parts[0]


def complaint(source, target):
    """Why `source` may not include `target`, or nothing."""
    ours, theirs = folder_of(source), folder_of(target)
    if ours == theirs or ours not in FLOOR and ours not in OUTSIDE:
        return None  # main.cpp on the roof may know all; so may tests
    if ours in OUTSIDE:
        if theirs in OUTSIDE_SEES or theirs in OUTSIDE_SHARES[ours]:
            return None
        return f"{ours}/ may not see {theirs}/"
    if theirs not in FLOOR:
        return f"the hypervisor may not see {theirs}/"
    if FLOOR[theirs] > FLOOR[ours]:
        return f"{ours} is floor {FLOOR[ours]}, {theirs} is floor {FLOOR[theirs]} above it"
    if FLOOR[theirs] == FLOOR[ours]:
        return f"{ours} and {theirs} share floor {FLOOR[ours]} and may not know each other"
    return None


def includes():
    found = {}
    for top in ("hypervisor", "grant_tables", "event_channels", *OUTSIDE):
        for path in Path(top).rglob("*"):
            if path.suffix in (".cpp", ".hpp", ".h", ".S"):
                text = path.read_text(encoding="utf-8")
                targets = [target for target in INCLUDE.findall(text) if Path(target).exists()]
                found[str(path)] = [(target, text[:text.find(target)].count("\n") + 1) for target in targets]
    return found


def main():
    found = includes()
    wrong = []
    for source, targets in sorted(found.items()):
        for target, line in targets:
            why = complaint(source, target)
            if why:
                wrong.append(f"{source}:{line}: includes {target}: {why}")
            if source < target and source in [back for back, _ in found.get(target, [])]:
                wrong.append(f"{source}:{line}: {target} includes it too: no two files may include each other")
    print("\n".join(wrong) if wrong else f"floors: {len(found)} files keep them")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

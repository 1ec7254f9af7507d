"""Checks what the hypervisor's core asks of the machine: its undefined symbols are the seam and the memory functions.

Usage: python3 tools/lint/core_symbols.py OBJECT...   (the core's freestanding objects, all of them)
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

# The seam's two headers declare xylem::machine; whether a hypercall is to be preempted only the processor knows.
ALLOWED = [
    re.compile(r"xylem::machine::\w+(\(.*\))?( const)?$"),
    re.compile(r"xylem::hypercall::should_preempt\(\)$"),
    re.compile(r"(mem(cpy|set|move|cmp)|strlen|__popcountdi2)$"),  # the compiler calls these by itself
    re.compile(r"_GLOBAL_OFFSET_TABLE_$"),
]
# Hypercalls that are the machine's own, served by the architecture's drivers.
SERVED_BY_ARCH = re.compile(r"xylem::hypercall::(console_io|physdev_op|physdev_op_compat)\(")


def undefined(objects):
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "core.o"
        subprocess.run(["ld", "-r", "-o", whole, *objects], check=True)
        listing = subprocess.run(["nm", "-uC", whole], check=True, capture_output=True, text=True).stdout
    return [line.split(maxsplit=1)[1].strip() for line in listing.splitlines()]


def main():
    strangers = [name for name in undefined(sys.argv[1:])
                 if not any(pattern.match(name) for pattern in ALLOWED) and not SERVED_BY_ARCH.match(name)]
    for name in strangers:
        print(f"the hypervisor's core needs {name}: it may reach the machine only through core/machine.hpp and "
              f"domain/vcpu_machine.hpp; declare it there, or move what needs it to hypervisor/arch")
    return 1 if strangers else 0


if __name__ == "__main__":
    sys.exit(main())

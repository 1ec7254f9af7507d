"""Makes the boot ISO of the default machine. Usage: python3 -m tools.run.iso OUT"""

import sys

from tools.run.machine import Machine, MachineError, make_iso


def main():
    machine = Machine(boot="iso")
    try:
        make_iso(machine, machine.initrd_file(), sys.argv[1])
    except MachineError as error:
        sys.exit(f"iso: {error}")


if __name__ == "__main__":
    main()

"""`make run`: boots the machine with its serial console on this terminal. Usage: python3 -m tools.run.run [--smp N ...]"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.run.boot import add_machine_arguments, machine_from
from tools.run.machine import MachineError, qemu_command


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_machine_arguments(parser)
    parser.add_argument("--gdb", action="store_true", help="wait for a debugger on port 1234 before the first instruction")
    arguments = parser.parse_args()
    machine = machine_from(arguments)
    with tempfile.TemporaryDirectory(prefix="xylem-run-") as folder:
        try:
            if machine.boot == "iso":
                print("==> making the boot ISO", flush=True)
            command = qemu_command(machine, Path(folder))
        except MachineError as error:
            sys.exit(f"run: {error}")
        print(f"==> booting {machine.hypervisor} by {machine.boot} in QEMU: {machine.smp} processors, {machine.mem}, "
              f"{machine.cpu}, {machine.machine}; Ctrl-A X leaves at any time", flush=True)
        sys.exit(subprocess.call([*command, "-serial", "mon:stdio", *(["-s", "-S"] if arguments.gdb else [])]))


if __name__ == "__main__":
    main()

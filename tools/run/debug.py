"""`make debug`: QEMU stopped before its first instruction, and gdb on this terminal with the hypervisor's symbols.

Usage: python3 -m tools.run.debug [--smp N ...]. The console goes to build/logs/debug.log.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.run.boot import add_machine_arguments, machine_from
from tools.run.machine import MachineError, qemu_command

LOG = Path("build/logs/debug.log")
SECONDS_TO_LISTEN = 30


def wait_for(qemu, socket):
    """Until QEMU listens for gdb. @return False  it has ended instead, having said why"""
    until = time.monotonic() + SECONDS_TO_LISTEN
    while not socket.exists() and qemu.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    return socket.exists()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_machine_arguments(parser)
    machine = machine_from(parser.parse_args())
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xylem-debug-") as folder:
        socket = Path(folder) / "gdb"
        try:
            command = qemu_command(machine, Path(folder))
        except MachineError as error:
            sys.exit(f"debug: {error}")
        # In a session of its own, so that Ctrl-C on the terminal is gdb's alone.
        qemu = subprocess.Popen([*command, "-monitor", "none", "-serial", f"file:{LOG}", "-S",
                                 "-gdb", f"unix:{socket},server=on,wait=off"], stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            if not wait_for(qemu, socket):
                sys.exit("debug: QEMU does not listen for gdb")
            print(f"==> the console goes to {LOG}; `help xylem` lists our commands; `continue` starts the machine", flush=True)
            subprocess.call(["gdb", "-q", "build/xylem-syms.elf", "-x", "tools/gdb/xylem.py",
                             "-ex", f"target remote {socket}"])
        finally:
            qemu.kill()
            qemu.wait()


if __name__ == "__main__":
    main()

"""`make demo`: boots the machine, has dom0 run the demo's guest once, and checks what came of it.

Usage: python3 -m tools.run.demo [--guest-cmdline WORDS] [--smp N ...]
Prints a transcript, each line with the seconds since QEMU's start, then GUEST-CMDLINE-SHA256; exits 0, or names what failed
and exits 1. The whole console, from the first line on, is in --log.
"""

import argparse
import re
import shlex
import sys
from pathlib import Path

from tools.run.boot import add_machine_arguments, machine_from
from tools.run.console import Console, ConsoleError
from tools.run.machine import MachineError

# Before dom0 has a shell, the log's steps; from then on, every line.
MILESTONES = re.compile(r"^\(xylem\) (Xylem|Loaded|Memory|.*processor)|Xen version|Scrubbing|Dom0 has maximum|Linux version|Run /init|^init:|READY")
SECONDS_TO_READY = 180
SECONDS_TO_PASS = 420


class Transcript:
    def __init__(self):
        self._everything = False

    def take(self, when, text):
        if self._everything or MILESTONES.search(text):
            print(f"{when:9.3f}  {text}", flush=True)
        self._everything |= text == "XYLEM-DOM0-READY"


def run_demo(console, guest_cmdline):
    """Drives the demo by dom0's shell, as a person would. @return the SHA-256 that dom0 read back"""
    console.expect("^XYLEM-DOM0-READY$", SECONDS_TO_READY)
    console.expect("built-in shell", 30)
    console.type(f"xylem-demo {shlex.quote(guest_cmdline) if guest_cmdline else ''}".strip() + "\r")
    digest = None
    while True:
        _, match = console.expect(r"^(DEMO-PASSED|DEMO-FAILED|GUEST-CMDLINE-SHA256)(?: (.*))?$", SECONDS_TO_PASS)
        if match[1] == "DEMO-FAILED":
            raise ConsoleError(f"dom0 says: {match[2]}")
        if match[1] == "DEMO-PASSED":
            break
        digest = match[2]
    console.type("poweroff -f\r")
    console.expect_end(60)
    return digest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    parser.add_argument("--guest-cmdline", default="")
    parser.add_argument("--log", type=Path, default=Path("build/logs/demo.log"))
    arguments = parser.parse_args()
    machine = machine_from(arguments)
    print(f"==> booting {machine.hypervisor} with {machine.tools}'s tools by {machine.boot} in QEMU: {machine.smp} processors, "
          f"{machine.mem}, {machine.cpu}, {machine.machine}", flush=True)
    try:
        with Console(machine, arguments.log, SECONDS_TO_READY + SECONDS_TO_PASS + 90, Transcript().take) as console:
            digest = run_demo(console, arguments.guest_cmdline)
            seconds = console.elapsed()
    except (ConsoleError, MachineError) as error:
        print(f"==> demo FAILED: {error}")
        sys.exit(1)
    print(f"==> demo passed in {seconds:.0f} s; the whole console is in {arguments.log}")
    print(f"GUEST-CMDLINE-SHA256 {digest}")


if __name__ == "__main__":
    main()

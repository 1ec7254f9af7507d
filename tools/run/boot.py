"""Boots a machine unattended, runs a script in dom0 as /etc/rc.local, and ends when the machine does.

Usage: python3 -m tools.run.boot [--hyp xylem|xen] [--tools xylem|debian] [...] [SCRIPT [FILE...]]
SCRIPT runs in dom0 once its services are up; each FILE lies beside it in /rig. Without SCRIPT the machine runs until
dom0 is ready, and then powers off. The console is printed, each line with its time, and kept in --log.
"""

import argparse
import sys
from pathlib import Path

from tools.run.console import Console, ConsoleError
from tools.run.machine import Machine, MachineError

RC_LOCAL = """#!/bin/sh
cd /rig
[ -f ./script ] && sh ./script
echo "SCRIPT-END $?"
poweroff -f
"""


def files_for(script, further):
    files = {"etc/rc.local": (RC_LOCAL, 0o755)}
    if script:
        files["rig/script"] = (Path(script).read_bytes(), 0o755)
    for file in further:
        files[f"rig/{Path(file).name}"] = (Path(file).read_bytes(), 0o755)
    return files


def processors(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"SMP={text}: expected a number of processors, like 2")
    return int(text)


def add_machine_arguments(parser):
    parser.add_argument("--smp", default=Machine.smp, type=processors)
    for name in ("cpu", "mem", "machine", "boot", "dom0-mem", "hypervisor-args", "dom0-args"):
        parser.add_argument(f"--{name}", default=getattr(Machine, name.replace("-", "_")))
    parser.add_argument("--hyp", default="xylem", dest="hypervisor", choices=["xylem", "xen", "native"])
    parser.add_argument("--tools", default="xylem", choices=["xylem", "debian"])
    parser.add_argument("--ours", default="", help="with --tools debian: which of xenstored xenconsoled blkback netback xl are "
                        "Xylem's after all, with commas between")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--qemu", default="", help="further words for QEMU")


def machine_from(arguments):
    return Machine(hypervisor=arguments.hypervisor, tools=arguments.tools, boot=arguments.boot, smp=arguments.smp,
                   cpu=arguments.cpu, mem=arguments.mem, machine=arguments.machine, dom0_mem=arguments.dom0_mem,
                   hypervisor_args=arguments.hypervisor_args, dom0_args=arguments.dom0_args,
                   ours=tuple(arguments.ours.split(",")) if arguments.ours else (), icount=arguments.icount,
                   devices=arguments.qemu.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_machine_arguments(parser)
    parser.add_argument("--log", default="build/logs/boot.log")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("script", nargs="?")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    machine = machine_from(arguments)
    machine.files = files_for(arguments.script, arguments.files)
    try:
        with Console(machine, arguments.log, arguments.seconds, lambda when, text: print(f"{when:9.3f} {text}")) as console:
            lines = console.expect_end(arguments.seconds)
    except (ConsoleError, MachineError) as error:
        sys.exit(f"boot: {error}")
    sys.exit(0 if "SCRIPT-END 0" in lines else 1)


if __name__ == "__main__":
    main()

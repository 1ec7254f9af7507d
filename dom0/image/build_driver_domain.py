"""Builds the initrd of a driver domain: a guest that serves other guests' disks and interfaces.

Usage: python3 -m dom0.image.build_driver_domain --stage DIR --out FILE --programs FILE...
It has dom0's init, and of dom0's programs xl and the backends. With `xylem.card=eth0` on its kernel's command line its own
interface joins its bridge.
"""

import argparse
import gzip
from pathlib import Path

from dom0.image import services
from dom0.image.build_dom0 import (HOST_LIBRARIES, LINUX_BACKENDS, OWN_FOLDER, add_busybox, add_settings, add_store_commands, add_xylem,
                                   stripped)
from dom0.image.kernel import Kernel
from dom0.image.tree import add_programs, base_tree

FRONTENDS = ["xen-blkfront", "xen-netfront"]
MODULES_ON_DEMAND = ["ext4", *LINUX_BACKENDS]


def build(arguments):
    kernel = Kernel(arguments.stage / "kernel", (arguments.stage / "release").read_text().strip())
    programs = {program.name: program for program in arguments.programs}
    init = programs.pop("xylem-init")
    archive = base_tree()
    add_busybox(archive, arguments.stage / "tools/bin/busybox")
    add_settings(archive)
    add_xylem(archive, programs.values(), OWN_FOLDER)
    add_store_commands(archive, f"{OWN_FOLDER}/xenstore")
    add_programs(archive, {"init": stripped(init)}, HOST_LIBRARIES)
    kernel.add_modules(archive, services.CORE_MODULES + FRONTENDS + MODULES_ON_DEMAND)
    archive.file("etc/xylem/init.json", services.driver_domain_configuration(OWN_FOLDER))
    return archive.to_bytes()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--programs", type=Path, nargs="+", required=True)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    # As the small guest's: what counts is how fast it unpacks under emulation.
    arguments.out.write_bytes(gzip.compress(build(arguments), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()

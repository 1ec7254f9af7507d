"""Builds the small guest's initrd. Usage: python3 -m dom0.image.build_domu STAGE OUT"""

import gzip
import sys
from pathlib import Path

from dom0.image.kernel import Kernel
from dom0.image.tree import base_tree

HERE = Path(__file__).parent / "domu"
MODULES = ["ext4", "xen-blkfront", "xen-netfront"]


def build(stage):
    kernel = Kernel(stage / "kernel", (stage / "release").read_text().strip())
    archive = base_tree()
    archive.copy("usr/bin/busybox", stage / "tools/bin/busybox", 0o755)
    archive.symlink("usr/bin/sh", "busybox")
    archive.copy("init", HERE / "init", 0o755)
    archive.copy("usr/sbin/poweroff", HERE / "poweroff", 0o755)
    archive.symlink("usr/sbin/reboot", "poweroff")
    order = kernel.load_order(MODULES)
    for path in order:
        archive.copy(f"usr/lib/modules/{Path(path).name}", kernel.module_file(path))
    archive.file("usr/lib/modules/order", "".join(f"{Path(path).name}\n" for path in order))
    return archive.to_bytes()


def main():
    stage, out = map(Path, sys.argv[1:])
    out.parent.mkdir(parents=True, exist_ok=True)
    # Speed of unpacking counts more than bytes: under emulation gzip unpacks several times faster than xz.
    out.write_bytes(gzip.compress(build(stage), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()

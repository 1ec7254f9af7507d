"""Builds dom0's initrd.

Usage: python3 -m dom0.image.build_dom0 --stage DIR --domu DIR --out FILE --programs FILE... [--debian DIR]
With --debian it holds Debian's xl, xenstored and xenconsoled and loads Linux's backends; without, Xylem's own.
"""

import argparse
import hashlib
import json
import subprocess
from pathlib import Path

from dom0.image import elf, services
from dom0.image.kernel import Kernel
from dom0.image.newc import Archive
from dom0.image.tree import add_programs, base_tree

HERE = Path(__file__).parent / "dom0"
HOST_LIBRARIES = elf.library_folders("/")

# Loaded at every start; the rest only for a device, or by hand.
CORE_MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "bridge", "tun", "loop",
                "crc32c_generic", "ext4"]
LINUX_BACKENDS = ["xen-blkback", "xen-netback"]
DEVICE_MODULES = ["virtio_blk", "virtio_net", "nvme", "e1000", "brd"]

STORE_COMMANDS = ["read", "write", "ls", "list", "rm", "exists", "watch", "chmod"]

DEMO_CONFIG = """\
# The demo's guest: xl create -c /etc/xen/demo.cfg
name = "demo"
type = "pv"
kernel = "/boot/domu/vmlinuz"
ramdisk = "/boot/domu/initrd.img"
extra = "console=hvc0"
memory = 128
vcpus = 1
disk = ["{disk}"]
vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0"]
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "preserve"
"""


def add_busybox(archive, busybox):
    archive.copy("usr/bin/busybox", busybox, 0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet not in ("busybox", "rpm", "rpm2cpio", "dpkg", "dpkg-deb", "init", "linuxrc"):
            archive.symlink(f"usr/bin/{applet}", "busybox")
    archive.symlink("usr/sbin/modprobe", "../bin/busybox")  # where the kernel looks for it


def add_settings(archive):
    archive.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", "root:x:0:\n")
    archive.file("etc/hosts", "127.0.0.1 localhost\n10.9.0.1 dom0\n")
    archive.copy("etc/profile", HERE / "profile")
    archive.copy("usr/sbin/xylem-demo", HERE / "xylem-demo")
    # What the demo's guest fetches: data without a pattern, the same at every build.
    archive.file("srv/www/demo.bin", b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(8192)))


def add_xylem(archive, programs):
    add_programs(archive, {f"usr/sbin/{program.name}": program for program in programs if program.name != "xenstore"},
                 HOST_LIBRARIES)
    for program in programs:
        if program.name == "xenstore":
            add_programs(archive, {"usr/bin/xenstore": program}, HOST_LIBRARIES)
            for command in STORE_COMMANDS:
                archive.symlink(f"usr/bin/xenstore-{command}", "xenstore")


def add_debian(archive, root):
    """Debian's Xen tools with the hotplug scripts, and the real tools that those scripts call in busybox's place."""
    tools = root / "tools"
    folders = [*elf.library_folders(tools), tools / f"usr/lib/xen-4.17/lib/{elf.MULTIARCH}"]
    programs = {}
    for path in ("bin/bash", "sbin/ip", "sbin/bridge", "sbin/tc", "sbin/losetup", "usr/bin/flock", "bin/stat", "usr/bin/stat"):
        if (tools / path).exists():
            programs["usr/" + path.removeprefix("usr/")] = (tools / path).resolve()
    for name in ("xl", "xenstored", "xenconsoled", "xen-init-dom0", "xenconsole", "libxl-save-helper", "xentop", "lsevtchn"):
        programs[f"usr/lib/xen-4.17/bin/{name}"] = tools / f"usr/lib/xen-4.17/bin/{name}"
    programs["usr/bin/xenstore"] = tools / "usr/bin/xenstore"
    add_programs(archive, programs, folders)
    for command in STORE_COMMANDS:
        archive.symlink(f"usr/bin/xenstore-{command}", "xenstore")
    for name in ("xl", "xentop"):
        archive.symlink(f"usr/sbin/{name}", f"/usr/lib/xen-4.17/bin/{name}")
    for folder in ("etc/xen", "usr/lib/xen-common/bin"):
        for source in sorted((tools / folder).rglob("*")):
            path = str(source.relative_to(tools))
            if source.is_symlink():
                archive.symlink(path, str(source.readlink()))
            elif source.is_file():
                archive.copy(path, source)


def init_configuration(debian, programs):
    names = {program.name for program in programs}
    ours = [service for service in services.XYLEM if service["command"][0] in names]
    return json.dumps({
        "hostname": "dom0",
        "modules": CORE_MODULES + (LINUX_BACKENDS if debian else []),
        "bridge": {"name": "xenbr0", "address": "10.9.0.1/24"},
        "services": [services.WEB, *(services.DEBIAN if debian else ours)],
        "banner": (HERE / "banner").read_text(),
    }, indent=1)


def guest_tree(domu):
    """What dom0 needs to start the demo's guest: compressed already, or all zeros; it stays out of the compressed part."""
    archive = Archive()
    archive.copy("boot/domu/vmlinuz", domu / "vmlinuz", 0o644)
    archive.copy("boot/domu/initrd.img", domu / "initrd.img", 0o644)
    return archive


def build(arguments):
    kernel = Kernel(arguments.stage / "kernel", (arguments.stage / "release").read_text().strip())
    archive = base_tree()
    add_busybox(archive, arguments.stage / "tools/bin/busybox")
    add_settings(archive)
    programs = [program for program in arguments.programs if program.name != "xylem-init"]
    init = next(program for program in arguments.programs if program.name == "xylem-init")
    if arguments.debian:
        add_debian(archive, arguments.debian)
    else:
        add_xylem(archive, programs)
    add_programs(archive, {"init": init}, HOST_LIBRARIES)
    kernel.add_modules(archive, CORE_MODULES + LINUX_BACKENDS + DEVICE_MODULES)
    archive.file("etc/xylem/init.json", init_configuration(arguments.debian is not None, programs))
    disk = "phy:/dev/loop0,xvda,w" if arguments.debian else "/var/lib/xen/images/demo.img,raw,xvda,rw"
    archive.file("etc/xen/demo.cfg", DEMO_CONFIG.format(disk=disk))
    archive.copy("var/lib/xen/images/demo.img", arguments.domu / "disk.img", 0o600)
    compressed = subprocess.run(["zstd", "-q", "-12", "-c"], input=archive.to_bytes(), stdout=subprocess.PIPE, check=True).stdout
    compressed += bytes(-len(compressed) % 512)  # so that a further archive may follow
    return guest_tree(arguments.domu).to_bytes() + compressed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage", type=Path, required=True)
    parser.add_argument("--domu", type=Path, required=True)
    parser.add_argument("--debian", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--programs", type=Path, nargs="+", required=True)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(build(arguments))


if __name__ == "__main__":
    main()

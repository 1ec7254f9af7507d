"""Builds dom0's initrd.

Usage: python3 -m dom0.image.build_dom0 --stage DIR --domu DIR --out FILE --programs FILE... [--debian DIR]
Without --debian it holds Xylem's own programs. With it, it holds Debian's xl, xenstored and xenconsoled, and Xylem's beside
them, so that a boot may choose (services.py); Debian's are what it brings up unless told.
"""

import argparse
import gzip
import hashlib
import os
import subprocess
from pathlib import Path

from dom0.image import elf, services
from dom0.image.kernel import Kernel
from dom0.image.newc import Archive
from dom0.image.tree import add_programs, base_tree

HERE = Path(__file__).parent / "dom0"
MANUALS = Path("docs/man")
COMPLETION = Path("tools/xl/completion")
HOST_LIBRARIES = elf.library_folders("/")

LINUX_BACKENDS = ["xen-blkback", "xen-netback"]
MODULES_ON_DEMAND = ["ext4", "virtio_blk", "virtio_net", "nvme", "e1000", "brd"]

STORE_COMMANDS = ["read", "write", "ls", "list", "rm", "exists", "watch", "chmod"]

# PV GRUB, a guest's kernel that starts what GRUB's configuration on the guest's own disk says; where Debian has it.
PV_GRUB = "usr/lib/grub-xen/grub-x86_64-xen.bin"

# Where our programs lie: in PATH, or beside Debian's in the image of those.
OWN_FOLDER = "/usr/sbin"
FOLDER_BESIDE_DEBIAN = "/usr/lib/xylem"


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
    for script in ("xylem-demo", "xylem-device"):
        archive.copy(f"usr/sbin/{script}", HERE / script)
    # What the demo's guest fetches: data without a pattern, the same at every build.
    archive.file("srv/www/demo.bin", b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(8192)))


def stripped(program):
    """The program without its symbols, which are some ten times its size and of no use in dom0.

    Another image may be built of the same programs at the same time: a file appears whole.
    """
    out = program.parents[1] / "stripped" / program.name
    out.parent.mkdir(exist_ok=True)
    own = out.with_name(f"{out.name}.{os.getpid()}")
    subprocess.run(["strip", "-o", own, program], check=True)
    return own.replace(out)


def add_xylem(archive, programs, folder):
    add_programs(archive, {f"{folder}/{program.name}": stripped(program) for program in programs}, HOST_LIBRARIES)


def add_store_commands(archive, target):
    for command in STORE_COMMANDS:
        archive.symlink(f"usr/bin/xenstore-{command}", target)


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
    add_store_commands(archive, "xenstore")
    for name in ("xl", "xentop"):
        archive.symlink(f"usr/sbin/{name}", f"/usr/lib/xen-4.17/bin/{name}")
    for folder in ("etc/xen", "usr/lib/xen-common/bin"):
        for source in sorted((tools / folder).rglob("*")):
            path = str(source.relative_to(tools))
            if source.is_symlink():
                archive.symlink(path, str(source.readlink()))
            elif source.is_file():
                archive.copy(path, source)


def formatted(manual):
    """A manual page as text: dom0 has nothing that formats one."""
    return subprocess.run(["groff", "-mdoc", "-Tascii", "-P-cbou", str(manual)], capture_output=True, check=True).stdout


def add_help(archive):
    """Manual pages as they are and as text for `man`, and what completes a command line, where Debian's shells look for it."""
    archive.copy("usr/bin/man", HERE / "man", 0o755)
    for manual in sorted(MANUALS.iterdir()):
        section = manual.suffix[1:]
        for folder, data in (("man", manual.read_bytes()), ("cat", formatted(manual))):
            archive.file(f"usr/share/man/{folder}{section}/{manual.name}.gz", gzip.compress(data, mtime=0))
    for path, name in (("bash-completion/completions/xl", "xl.bash"), ("zsh/vendor-completions/_xl", "_xl"),
                       ("fish/vendor_completions.d/xl.fish", "xl.fish")):
        archive.copy(f"usr/share/{path}", COMPLETION / name)


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
    archive.copy(PV_GRUB, arguments.stage / "tools" / PV_GRUB)
    programs = {program.name: program for program in arguments.programs}
    init = programs.pop("xylem-init")
    if arguments.debian:
        ours = ()
        add_debian(archive, arguments.debian)
        add_xylem(archive, programs.values(), FOLDER_BESIDE_DEBIAN)
    else:
        ours = services.PARTS
        add_xylem(archive, programs.values(), OWN_FOLDER)
        add_store_commands(archive, f"{OWN_FOLDER}/xenstore")
        add_help(archive)
        archive.symlink("usr/bin/xenstore-control", f"{OWN_FOLDER}/xenstore")  # Debian's is a program of its own
    add_programs(archive, {"init": stripped(init)}, HOST_LIBRARIES)
    kernel.add_modules(archive, services.CORE_MODULES + LINUX_BACKENDS + MODULES_ON_DEMAND)
    archive.file("etc/xylem/init.json", services.init_configuration(ours, OWN_FOLDER))
    archive.file("etc/xen/demo.cfg", services.demo_configuration(ours))
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

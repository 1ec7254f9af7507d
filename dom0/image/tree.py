"""What both images begin with: the folders of a Debian root, and busybox under all its names."""

from dom0.image import elf
from dom0.image.newc import Archive


def base_tree():
    archive = Archive()
    for path in ("dev", "etc", "mnt", "proc", "root", "run", "sys", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var/log"):
        archive.directory(path)
    archive.directory("tmp", 0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.symlink(name, f"usr/{name}")
    archive.symlink("var/run", "/run")
    archive.character_device("dev/console", 5, 1)  # the kernel opens it before any program can make it
    return archive


def add_programs(archive, programs, folders):
    """Puts ELF programs (target path -> file) into the image, with the libraries they need out of `folders`."""
    for path, source in programs.items():
        archive.copy(path, source, 0o755)
    for name, source in elf.closure(programs.values(), folders).items():
        target = f"usr/lib64/{name}" if name.startswith("ld-linux") else f"usr/lib/{elf.MULTIARCH}/{name}"
        if target not in archive:
            archive.copy(target, source, 0o755)

"""Installs Debian with systemd on a disk of its own: a guest as users have them, or a root for dom0.

Usage: python3 -m dom0.image.build_debian OUT
Writes OUT/disk.img (one partition, ext4) and, for a start without a boot loader, OUT/vmlinuz and OUT/initrd.img. Wants root, as
package scripts run in the new root. Once up, a unit of ours tells on the console how the system fares (debian/report).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = Path(__file__).parent / "debian"
SUITE = "bookworm"
PACKAGES = "systemd-sysv,udev,linux-image-amd64,initramfs-tools,iproute2,kmod,hello:i386"
LABEL = "debian"
DISK_BYTES = 2 << 30
PARTITION_OFFSET = 1 << 20
SECTOR = 512
# Found by PV GRUB on the disk, as by any other GRUB.
GRUB_CFG = f"""\
set timeout=0
search --no-floppy --label {LABEL} --set root
linux /vmlinuz root=LABEL={LABEL} ro console=hvc0
initrd /initrd.img
boot
"""


class DebianError(Exception):
    pass


def mirror():
    """Where this machine's apt has the release from. The release's own archive alone: both architectures are in step there."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
                             capture_output=True, text=True, check=True).stdout.splitlines()
    for codename, component, uri in (target.split() for target in targets):
        if (codename, component) == (SUITE, "main"):
            return uri
    raise DebianError(f"apt on this machine has no archive of {SUITE}: add one to its sources")


def install(root):
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--architectures=amd64,i386", f"--include={PACKAGES}",
               "--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Install-Recommends \"false\"", "--quiet", SUITE, str(root),
               f"deb {mirror()} {SUITE} main"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise DebianError(f"mmdebstrap could not install {SUITE}:\n{done.stderr.strip()[-2000:]}")


def configure(root):
    (root / "etc/hostname").write_text("debian\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost debian\n")
    (root / "etc/fstab").write_text(f"LABEL={LABEL} / ext4 errors=remount-ro 0 1\n")
    (root / "boot/grub").mkdir(parents=True, exist_ok=True)
    (root / "boot/grub/grub.cfg").write_text(GRUB_CFG)
    shutil.copy(FILES / "report", root / "usr/local/sbin/report")
    shutil.copy(FILES / "report.service", root / "etc/systemd/system/report.service")
    shutil.copy(FILES / "xen.network", root / "etc/systemd/network/xen.network")
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "enable", "report.service", "systemd-networkd.service"], check=True)
    # An administrator logs in without a password, on the console alone.
    subprocess.run(["chroot", str(root), "passwd", "--quiet", "--delete", "root"], check=True)


def make_disk(root, disk):
    with open(disk, "wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["/sbin/sfdisk", "--quiet", str(disk)], check=True, text=True,
                   input=f"label: dos\nstart={PARTITION_OFFSET // SECTOR}, type=83, bootable\n")
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", LABEL, "-d", str(root),
                    "-E", f"offset={PARTITION_OFFSET}", str(disk), f"{(DISK_BYTES - PARTITION_OFFSET) // 1024}k"], check=True)


def give_to_caller(out):
    """Under sudo, what came out is not root's but belongs to who called sudo."""
    uid = int(os.environ.get("SUDO_UID", 0))
    gid = int(os.environ.get("SUDO_GID", 0))
    for path in (out, *out.iterdir()):
        os.chown(path, uid, gid)


def build(out):
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        root = Path(folder) / "root"
        install(root)
        configure(root)
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(root / name, out / name)
        unfinished = Path(folder) / "disk.img"
        make_disk(root, unfinished)
        unfinished.rename(out / "disk.img")
    give_to_caller(out)


def main():
    if os.geteuid() != 0:
        sys.exit("build_debian: installing Debian wants root: package scripts run in the new root")
    try:
        build(Path(sys.argv[1]))
    except (DebianError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"build_debian: {error}")


if __name__ == "__main__":
    main()

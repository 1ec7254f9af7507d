"""Unpacks Debian's packages below build/: `stage` for the images' own needs, `stage-debian` for Debian's Xen tools.

Usage: python3 -m dom0.image.stage CACHE OUT base|debian
Writes OUT/release (the kernel's) and OUT/{kernel,tools,xen}.
"""

import shutil
import sys
from pathlib import Path

from dom0.image import packages

BASE = ["busybox-static", "grub-xen-host"]

# Real Xen with its tools, and what their scripts call.
DEBIAN = """
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils libxenmisc4.17 libxentoolcore1 libxentoollog1
    libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4 libyajl2 bash
    kmod iproute2 util-linux mount coreutils libc6 libtinfo6 libncurses6 libuuid1 libblkid1 libmount1 libsmartcols1
    libselinux1 libpcre2-8-0 libacl1 libattr1 libbsd0 libmd0 libcap2 libcap-ng0 libbpf1 libelf1 libmnl0 libxtables12
    libtirpc3 libdb5.3 libgssapi-krb5-2 libkrb5-3 libkrb5support0 libk5crypto3 libcom-err2 libkeyutils1 zlib1g libbz2-1.0
    liblzma5 liblzo2-2 libzstd1 liblz4-1 libgcrypt20 libgpg-error0 libgmp10 libnettle8 libhogweed6 libfdt1 libsystemd0
    libudev1 libgcc-s1 libssl3
""".split()


def stage_base(cache, out):
    name, release = packages.kernel_package()
    debs = packages.fetch([name, *BASE], cache)
    packages.unpack([debs.pop(name)], out / "kernel")
    packages.unpack(debs.values(), out / "tools")
    (out / "release").write_text(release + "\n")


def stage_debian(cache, out):
    debs = packages.fetch(DEBIAN, cache)
    packages.unpack([debs.pop(name) for name in list(debs) if name.startswith("xen-hypervisor")], out / "xen")
    packages.unpack(debs.values(), out / "tools")


def main():
    cache, out, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        {"base": stage_base, "debian": stage_debian}[what](cache, out)
    except packages.PackageError as error:
        sys.exit(f"image: {error}")


if __name__ == "__main__":
    main()

"""What dom0's init brings up: Xylem's own daemons, Debian's, or any mixture of both.

A mixture puts ours in the place of Debian's one at a time, which tells where a fault lies.
"""

import json
from pathlib import Path

DEBIAN_BIN = "/usr/lib/xen-4.17/bin"
BANNER = Path(__file__).parent / "dom0/banner"

# What can be ours or Debian's (the kernel's, for the backends).
PARTS = ("xenstored", "xenconsoled", "blkback", "netback", "xl")

# Loaded at every start. Others come when a device or a mount asks for them.
CORE_MODULES = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "bridge", "tun", "loop"]

# Serves the file that the demo's guest fetches, and scripts for the tests' guests.
WEB = {"name": "web", "command": ["busybox", "httpd", "-f", "-p", "10.9.0.1:80", "-h", "/srv/www"], "ready": "started"}

# Where Prometheus would find what xl metrics tells, once the service is switched on.
METRICS_PORT = 9417

LOOP_DISK = {"name": "demo-disk", "command": ["losetup", "/dev/loop0", "/var/lib/xen/images/demo.img"], "ready": "exited"}


def takes_files(ours):
    """Whether a raw file can be a guest's disk: by our backend, given to it by our xl. Else it takes a loop device."""
    return {"blkback", "xl"} <= set(ours)


def _store(ours, folder):
    if ours:
        return [{"name": "xenstored", "command": [f"{folder}/xenstored", "--no-fork", "--init-dom0"], "ready": "notified",
                 "keeps": "/run/xenstored/socket"}]
    return [{"name": "xenstored", "command": [f"{DEBIAN_BIN}/xenstored", "--no-fork"], "ready": "socket",
             "path": "/run/xenstored/socket"},
            {"name": "xen-init-dom0", "command": [f"{DEBIAN_BIN}/xen-init-dom0"], "ready": "exited", "after": ["xenstored"]}]


def _console(ours, folder, after):
    if ours:
        return [{"name": "xenconsoled", "command": [f"{folder}/xenconsoled"], "ready": "notified", "after": after}]
    return [{"name": "xenconsoled", "command": [f"{DEBIAN_BIN}/xenconsoled", "-i", "--log=all"], "ready": "started",
             "after": after}]


def _backend(name, folder, after):
    return {"name": name, "command": [f"{folder}/{name}"], "ready": "notified", "after": after}


def init_configuration(ours, folder):
    """The init's configuration where the PARTS in `ours` are Xylem's, lying in `folder`."""
    modules = list(CORE_MODULES)
    listed = [WEB, *_store("xenstored" in ours, folder)]
    after = [listed[-1]["name"]]
    listed += _console("xenconsoled" in ours, folder, after)
    if "blkback" in ours:
        listed.append(_backend("xylem-blkback", folder, after))
    else:
        modules.append("xen-blkback")
    if not takes_files(ours):
        listed.append(LOOP_DISK)
    if "netback" in ours:
        listed.append(_backend("xylem-netback", folder, after))
    else:
        modules.append("xen-netback")
    if "xl" in ours:
        listed.append({"name": "xl-metrics", "command": [f"{folder}/xl", "metrics", "--listen", str(METRICS_PORT)],
                       "ready": "started", "after": after, "enabled": False})
    return json.dumps({"hostname": "dom0", "modules": modules, "bridge": {"name": "xenbr0", "address": "10.9.0.1/24"},
                       "services": listed, "banner": BANNER.read_text()}, indent=1)


def driver_domain_configuration(folder):
    """The init's configuration of a driver domain, in which xl devd starts the backends."""
    devd = {"name": "xl-devd", "command": [f"{folder}/xl", "devd", "-F"], "ready": "notified"}
    return json.dumps({"hostname": "driver", "modules": [*CORE_MODULES, "xen-blkfront", "xen-netfront"],
                       "bridge": {"name": "xenbr0", "address": "10.9.0.5/24"}, "services": [devd],
                       "banner": "A driver domain: xl devd serves other domains' disks and interfaces.\n"}, indent=1)


def demo_configuration(ours):
    """/etc/xen/demo.cfg."""
    disk = "/var/lib/xen/images/demo.img,raw,xvda,rw" if takes_files(ours) else "phy:/dev/loop0,xvda,w"
    return f"""\
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

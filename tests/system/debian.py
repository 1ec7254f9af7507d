"""A Debian with systemd as users install it, on a disk of its own: as a guest, started from its kernel or by PV GRUB from what
its disk says, and as dom0's root. Nothing in it fails, and an i386 program runs.
"""

import re

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import SQUARES
from tests.collect.system import system_test
from tools.run.machine import BUILD, Machine

DEBIAN = BUILD / "debian"
READY = "DEBIAN-REPORT-END"

GUEST = """\
step create the guest
cat > /run/debian.cfg <<'END'
name = "debian"
memory = 512
vcpus = 2
disk = ["phy:/dev/nvme0n1,xvda,w"]
vif = ["bridge=xenbr0"]
{start}
END
xl create /run/debian.cfg
step wait until it is up
wait_until 400 guest_says debian READY || { console_of debian | tail -n 60; exit 1; }
step wait for its login prompt
wait_until 60 grep -q 'debian login:' /var/log/xen/console/guest-debian.log
step reach it by its network
wait_until 60 ping -c 1 -W 1 10.9.0.2
step shut it down
xl shutdown debian
end_of debian 200
console_of debian
""".replace("READY", READY)

STARTS = {
    "kernel": """\
kernel = "/rig/vmlinuz"
ramdisk = "/rig/initrd.img"
root = "/dev/xvda1 ro"
extra = "console=hvc0"
""",
    "grub": """\
kernel = "/usr/lib/grub-xen/grub-x86_64-xen.bin"
""",
}


def nvme_disk():
    """The disk, written to a file that is thrown away."""
    return ["-drive", f"file={DEBIAN}/disk.img,if=none,id=disk,format=raw,snapshot=on", "-device", "nvme,drive=disk,serial=xylem"]


def all_is_well(lines, root, virtualization):
    """What the report in the system says (dom0/image/debian/report)."""
    said = dict(found.groups() for line in lines if (found := re.search(r"DEBIAN-([A-Z0-9-]+) ?(.*)", line)))
    check("FAILED" not in said, f"a unit failed: {said.get('FAILED')}")
    for key, expected in {"STATE": "running", "I386": "Hello, world!", "ROOT": f"{root} ext4", "VIRT": virtualization}.items():
        check(said.get(key) == expected, f"Debian's {key} is '{said.get(key)}', expected '{expected}'")


@system_test(seconds=200, always=False, alone=True,
             variants={f"{square},{start}": (*SQUARES[square], start) for square in SQUARES for start in STARTS})
def guest(run, hypervisor, tools, start):
    machine = Machine(hypervisor=hypervisor, tools=tools, mem="3G", devices=nvme_disk())
    files = {f"rig/{name}": (DEBIAN / name).read_bytes() for name in ("vmlinuz", "initrd.img")} if start == "kernel" else {}
    lines = run_script(run, machine, GUEST.replace("{start}", STARTS[start]), 700, files=files)
    all_is_well(lines, "/dev/xvda1", "xen")


@system_test(seconds=120, always=False, alone=True, variants={"xen": ("xen",), "xylem": ("xylem",)})
def root_of_dom0(run, hypervisor):
    machine = Machine(hypervisor=hypervisor, kernel=DEBIAN / "vmlinuz", initrd=DEBIAN / "initrd.img", mem="3G",
                      dom0_args="root=/dev/nvme0n1p1 ro", devices=nvme_disk())
    with run.boot(machine, 400) as console:
        console.expect(f"^{READY}$", 380)
        lines = [text for _, text in console.lines]
    all_is_well(lines, "/dev/nvme0n1p1", "qemu")  # the control domain has the machine itself, and that is QEMU

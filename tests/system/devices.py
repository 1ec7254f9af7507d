"""Real devices behind dom0: the guest's disk on an NVMe disk (MSI-X, DMA), and QEMU's user network through an e1000 card.

The card is a port of the guests' bridge, so that dom0 and the guest both reach a server that lives in QEMU: it says back what
it is told.
"""

import subprocess

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

ECHO_SERVER = "10.0.2.100"

SAY = """\
said_back() {{ # WORD
    (echo "$1"; sleep 3) | timeout 20 nc {server} 7 | head -n 1
}}
""".format(server=ECHO_SERVER)

GUEST = SAY + """\
ip address add 10.0.2.16/24 dev eth0
[ "$(said_back guest-was-here)" = guest-was-here ] || exit 1
cat /proc/mounts
"""

DOM0 = SAY + """\
step reach the network from dom0
expect "the answer to dom0" dom0-was-here "$(said_back dom0-was-here)"
grep -E 'nvme|eth0|e1000' /proc/interrupts
grep -q 'nvme0q0' /proc/interrupts
step create the guest on the NVMe disk
grep -vE '^(extra|disk)' /etc/xen/demo.cfg > /run/devices.cfg
echo 'extra = "console=hvc0 mode=demo script=reach.sh"' >> /run/devices.cfg
echo 'disk = ["phy:/dev/nvme0n1,xvda,w"]' >> /run/devices.cfg
xl create /run/devices.cfg
end_of demo 240
expect "the guest" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
step read the disk
mkdir -p /mnt/disk
mount -t ext4 -o ro /dev/nvme0n1 /mnt/disk
expect "the guest's file" "written by the guest" "$(cat /mnt/disk/guest.txt)"
umount /mnt/disk
echo DEVICES-PASSED
"""


@system_test(seconds=100, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def nvme_and_e1000(run, hypervisor, tools):
    disk = run.folder / "nvme.img"
    with open(disk, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(disk)], check=True)
    machine = Machine(
        hypervisor=hypervisor, tools=tools, machine="q35",
        dom0_args="xylem.card=eth0 xylem.address=10.0.2.15/24 xylem.gateway=10.0.2.2",
        devices=["-drive", f"file={disk},if=none,id=disk,format=raw", "-device", "nvme,drive=disk,serial=xylem",
                 "-netdev", f"user,id=net,restrict=on,guestfwd=tcp:{ECHO_SERVER}:7-cmd:cat", "-device", "e1000,netdev=net"])
    lines = run_script(run, machine, DOM0, 420, files={"srv/www/reach.sh": GUEST})
    check("DEVICES-PASSED" in lines, "the script in dom0 came to no verdict")

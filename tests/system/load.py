"""Data under load: what a guest writes, reads, sends and receives comes out unchanged, 200 MiB by disk and 100 MiB each way by TCP.

The guest's disk lies on a QEMU NVMe disk that dom0 drives, with its interrupts by MSI-X and its data by DMA.
"""

import subprocess

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS, SQUARES
from tests.collect.system import system_test
from tools.run.machine import Machine

DISK_MIB = 700

# Emulated, a stronger checksum would take most of the test's time. The number before each piece moves the pieces against the
# blocks, so that no two blocks of the file are alike.
GUEST = """\
set -e
cold() { sync; echo 3 > /proc/sys/vm/drop_caches; }
dd if=/dev/urandom of=/tmp/piece bs=1M count=8 2>/dev/null
for i in $(seq 25); do echo $i; cat /tmp/piece; done > /mnt/data
sum=$(crc32 < /mnt/data)
cold
[ "$sum" = "$(crc32 < /mnt/data)" ] || { echo "the file read back differs from what was written"; exit 1; }
cp /mnt/data /mnt/copy
cold
[ "$sum" = "$(crc32 < /mnt/copy)" ] || { echo "the copy differs"; exit 1; }
echo "$sum" > /mnt/sum
echo "LOAD disk done"
wget -q -O - http://10.9.0.1/big | crc32 > /mnt/received
echo "LOAD received"
dd if=/mnt/data bs=1M count=100 2>/dev/null | nc 10.9.0.1 5000
dd if=/mnt/data bs=1M count=100 2>/dev/null | crc32 > /mnt/sent
echo "LOAD sent"
"""

DOM0 = """\
step make the guest\\'s disk on NVMe
wait_until 20 test -b /dev/nvme0n1
step make what the guest will fetch
dd if=/dev/urandom of=/run/piece bs=1M count=10 2>/dev/null
for i in $(seq 10); do echo $i; cat /run/piece; done > /srv/www/big
big=$(crc32 < /srv/www/big)
step listen for what it will send
sleep 3600 | nc -l -p 5000 > /run/sent & # nc would take the end of its input for the end of the connection
step create the guest
grep -vE '^(extra|disk)' /etc/xen/demo.cfg > /run/load.cfg
echo 'extra = "console=hvc0 mode=demo script=load.sh"' >> /run/load.cfg
echo 'disk = ["phy:/dev/nvme0n1,xvda,w"]' >> /run/load.cfg
xl create /run/load.cfg
step the guest works
end_of demo 900
console_of demo | grep -E '^(LOAD|SCRIPT-STATUS|XYLEM)'
expect "the guest" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
step compare
mkdir -p /mnt/disk
mount -t ext4 -o ro /dev/nvme0n1 /mnt/disk
expect "what the guest received" "$big" "$(cat /mnt/disk/received)"
expect "what dom0 received" "$(cat /mnt/disk/sent)" "$(crc32 < /run/sent)"
expect "the file on the disk" "$(cat /mnt/disk/sum)" "$(crc32 < /mnt/disk/data)"
expect "the copy on the disk" "$(cat /mnt/disk/sum)" "$(crc32 < /mnt/disk/copy)"
umount /mnt/disk
echo LOAD-PASSED
"""


def make_disk(path):
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(path)], check=True)


@system_test(seconds=240, variants=SQUARES, always=set(OUR_TOOLS))
def disk_and_network(run, hypervisor, tools):
    disk = run.folder / "nvme.img"
    make_disk(disk)
    machine = Machine(hypervisor=hypervisor, tools=tools, smp=1, devices=[
        "-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=xylem"])
    lines = run_script(run, machine, DOM0, 1200, files={"srv/www/load.sh": GUEST})
    disk.unlink()
    check("LOAD-PASSED" in lines, "the script in dom0 came to no verdict")

"""Our block backend, network backend and console daemon killed at random while a guest works: it sees no error, and its data are whole.

The guest's disk lies on a QEMU NVMe disk, so that operations are in flight when the backend dies.
"""

import os
import random
import subprocess

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

DISK_MIB = 256
# The supervisor doubles its pause before a restart, from 0.1 s on: so many kills make it wait 6.4 s at last.
KILLS = 7

# The number before each piece moves the pieces against the blocks, so that no two blocks of the file are alike.
GUEST = """\
set -e
cold() { sync; echo 3 > /proc/sys/vm/drop_caches; }
dd if=/dev/urandom of=/tmp/piece bs=1M count=4 2>/dev/null
echo "KILL working"
for round in 1 2 3; do
    for i in $(seq 6); do echo $round $i; cat /tmp/piece; done > /mnt/data
    sum=$(crc32 < /mnt/data)
    cold
    [ "$sum" = "$(crc32 < /mnt/data)" ] || { echo "the file read back differs from what was written"; exit 1; }
    wget -q -O - http://10.9.0.1/big | crc32 > /mnt/received
    cmp /mnt/received /mnt/expected || { echo "what came by TCP differs"; exit 1; }
    echo "KILL round $round"
done
echo "$sum" > /mnt/sum
nc 10.9.0.1 5000 < /mnt/data
! dmesg | grep -E 'I/O error|blk_update_request' || exit 1
"""

DOM0 = """\
step make the files
wait_until 20 test -b /dev/nvme0n1
dd if=/dev/urandom of=/run/piece bs=1M count=4 2>/dev/null
for i in $(seq 5); do echo $i; cat /run/piece; done > /srv/www/big
mkdir -p /mnt/disk
mount -t ext4 /dev/nvme0n1 /mnt/disk
crc32 < /srv/www/big > /mnt/disk/expected
umount /mnt/disk
sleep 1000 | nc -l -p 5000 > /run/sent &
step create the guest
grep -vE '^(extra|disk)' /etc/xen/demo.cfg > /run/kill.cfg
echo 'extra = "console=hvc0 mode=demo script=kill.sh"' >> /run/kill.cfg
echo 'disk = ["phy:/dev/nvme0n1,xvda,w"]' >> /run/kill.cfg
xl create /run/kill.cfg
wait_until 120 guest_says demo "KILL working"
step kill
for pause in PAUSES; do
    sleep $pause
    gone demo && break
    for program in xylem-blkback xylem-netback xenconsoled; do
        kill -9 $(pidof $program) || echo "$program is not there yet"
    done
done
step the guest works
end_of demo 400
console_of demo | grep -E '^(KILL|SCRIPT-STATUS|XYLEM)'
expect "the guest" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
step compare
mount -t ext4 -o ro /dev/nvme0n1 /mnt/disk
expect "what dom0 received" "$(cat /mnt/disk/sum)" "$(crc32 < /run/sent)"
expect "the file on the disk" "$(cat /mnt/disk/sum)" "$(crc32 < /mnt/disk/data)"
umount /mnt/disk
grep -c resumed /var/log/xen/xylem-blkback.log
echo KILL-PASSED
"""


def make_disk(path):
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(path)], check=True)


@system_test(seconds=240, variants=OUR_TOOLS, always=False)
def killed_under_load(run, hypervisor, tools):
    seed = int(os.environ.get("XYLEM_SEED") or random.randrange(1 << 32))
    print(f"    kills at random, XYLEM_SEED={seed}", flush=True)
    pauses = [f"{random.Random(seed + i).uniform(0.5, 6):.2f}" for i in range(KILLS)]
    disk = run.folder / "nvme.img"
    make_disk(disk)
    machine = Machine(hypervisor=hypervisor, tools=tools, smp=1, devices=[
        "-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=xylem"])
    lines = run_script(run, machine, DOM0.replace("PAUSES", " ".join(pauses)), 600, files={"srv/www/kill.sh": GUEST})
    disk.unlink()
    check("KILL-PASSED" in lines, "the script in dom0 came to no verdict")

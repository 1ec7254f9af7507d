"""Data under load: what a guest writes, reads, sends and receives comes out unchanged, 200 MiB by disk and 100 MiB each way by TCP.

The guest's disk lies on a QEMU NVMe disk that dom0 drives, with its interrupts by MSI-X and its data by DMA.
"""

import subprocess
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import SQUARES
from tests.collect.system import system_test
from tools.run.machine import Machine

DISK_MIB = 700
LOAD_DATA = Path("build/tests/bin/load-data")  # tests/support/load_data.cpp: its sums have the number of bytes in them

# In either direction the sender's sum and the receiver's are taken by different systems. What the guest finds is left on the disk.
GUEST = """\
set -e
wget -q -O /tmp/load-data http://10.9.0.1/load-data
chmod +x /tmp/load-data
cold() { sync; echo 3 > /proc/sys/vm/drop_caches; }
done_with() { echo "LOAD $(cut -d' ' -f1 /proc/uptime) $*"; }
done_with starting
/tmp/load-data make /mnt/data 7 200 > /mnt/data.sum
done_with writing
cold
[ "$(cat /mnt/data.sum)" = "$(/tmp/load-data sum /mnt/data)" ] || { echo "the file read back differs from what was written"; exit 1; }
done_with reading
cp /mnt/data /mnt/copy
done_with copying
cold
[ "$(cat /mnt/data.sum)" = "$(/tmp/load-data sum /mnt/copy)" ] || { echo "the copy differs"; exit 1; }
done_with reading the copy
/tmp/load-data receive 5000 10.9.0.1 > /mnt/received
done_with receiving
/tmp/load-data send 9 100 5001 10.9.0.1 > /mnt/sent
done_with sending
"""

DOM0 = """\
step wait for the guest\\'s disk on NVMe
wait_until 20 test -b /dev/nvme0n1
step wait for the guest\\'s connections
/srv/www/load-data send 8 100 5000 > /run/sent &
/srv/www/load-data receive 5001 > /run/received &
step create the guest
grep -vE '^(extra|disk)' /etc/xen/demo.cfg > /run/load.cfg
echo 'extra = "console=hvc0 mode=demo script=load.sh"' >> /run/load.cfg
echo 'disk = ["phy:/dev/nvme0n1,xvda,w"]' >> /run/load.cfg
xl create /run/load.cfg
step the guest works
end_of demo 900
console_of demo | grep -E '^(LOAD|SCRIPT-STATUS|XYLEM)'
expect "the guest" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
wait # for what dom0 sent and received
step compare
mkdir -p /mnt/disk
mount -t ext4 -o ro /dev/nvme0n1 /mnt/disk
expect "what the guest received" "$(cat /run/sent)" "$(cat /mnt/disk/received)"
expect "what dom0 received" "$(cat /mnt/disk/sent)" "$(cat /run/received)"
expect "the file on the disk" "$(cat /mnt/disk/data.sum)" "$(/srv/www/load-data sum /mnt/disk/data)"
expect "the copy on the disk" "$(cat /mnt/disk/data.sum)" "$(/srv/www/load-data sum /mnt/disk/copy)"
for sum in data.sum:200 sent:100 received:100; do
    expect "bytes in ${sum%:*}" $((${sum#*:} << 20)) "$(cut -d' ' -f2 "/mnt/disk/${sum%:*}")"
done
umount /mnt/disk
echo LOAD-PASSED
"""


def make_disk(path):
    with open(path, "wb") as disk:
        disk.truncate(DISK_MIB << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(path)], check=True)


@system_test(seconds=100, variants=SQUARES, always={"xylem-on-xylem"})
def disk_and_network(run, hypervisor, tools):
    disk = run.folder / "nvme.img"
    make_disk(disk)
    machine = Machine(hypervisor=hypervisor, tools=tools, smp=1, devices=[
        "-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=xylem"])
    lines = run_script(run, machine, DOM0, 1200, files={"srv/www/load.sh": GUEST, "srv/www/load-data": LOAD_DATA.read_bytes()})
    disk.unlink()
    check("LOAD-PASSED" in lines, "the script in dom0 came to no verdict")

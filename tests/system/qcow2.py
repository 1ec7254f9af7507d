"""A guest of two processors on a qcow2 disk, with limits, several queues, and confined backends that are killed: no error, whole data.

The image lies on a QEMU NVMe disk, byte for byte, so that the host has it in its hands afterwards and QEMU's tools judge it. The
guest measures what its limits leave it, tries to send from another's address, and then counts aloud while the console daemon is
killed: no number may be missing from its log.
"""

import subprocess

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

COUNT = 3000

# Times are in hundredths of a second.
GUEST = """\
set -e
now() { cut -d' ' -f1 /proc/uptime | tr -d .; }
takes() { # AT-LEAST COMMAND...
    least=$1; shift
    start=$(now)
    "$@"
    took=$(($(now) - start))
    echo "QCOW2 $took, at least $least: $*"
    [ $took -ge $least ] || { echo "that was quicker than its limit"; exit 1; }
}
reads_all() { cat /dev/xvdb > /dev/null; }
send() { nc 10.9.0.1 5000 < /tmp/piece; }
hears_dom0() { ping -c 3 -W 2 10.9.0.1 > /dev/null; }
address() { ip link set eth0 down; ip link set eth0 address $1; ip link set eth0 up; }

[ $(ls /sys/block/xvda/mq | wc -l) = 2 ] || { echo "the disk has not two queues"; exit 1; }
[ $(ls -d /sys/class/net/eth0/queues/tx-* | wc -l) = 2 ] || { echo "the interface has not two queues"; exit 1; }
dd if=/dev/urandom of=/tmp/piece bs=1M count=2 2>/dev/null
until test -b /dev/xvdb; do sleep 0.2; done
echo "QCOW2 working"
for round in 1 2 3; do
    for i in $(seq 4); do echo $round $i; cat /tmp/piece; done > /mnt/data
    sum=$(crc32 < /mnt/data)
    sync
    echo 3 > /proc/sys/vm/drop_caches
    [ "$sum" = "$(crc32 < /mnt/data)" ] || { echo "the file read back differs from what was written"; exit 1; }
    wget -q -O /tmp/big http://10.9.0.1/big
    [ "$(crc32 < /tmp/big)" = "$(wget -q -O - http://10.9.0.1/sum)" ] || { echo "what came by TCP differs"; exit 1; }
    echo "QCOW2 round $round"
done
takes 170 reads_all
echo 0 > /sys/block/xvdb/queue/read_ahead_kb
echo 3 > /proc/sys/vm/drop_caches
takes 170 dd if=/dev/xvdb of=/dev/null bs=4k count=100
takes 170 send
hears_dom0
address 00:16:3e:00:00:02
! hears_dom0 || { echo "a frame from another's address passed"; exit 1; }
address 00:16:3e:00:00:01
hears_dom0
echo "QCOW2 talking"
seq COUNT | while read number; do
    echo "TALK $number"
    [ $((number % 50)) != 0 ] || sleep 0.1
done
echo written > /mnt/verdict
sync
! dmesg | grep -E 'I/O error|blk_update_request' || exit 1
""".replace("COUNT", str(COUNT))

DOM0 = """\
step create the guest
wait_until 20 test -b /dev/nvme0n1
dd if=/dev/urandom of=/run/limited bs=1M count=4 2>/dev/null
dd if=/dev/urandom of=/srv/www/big bs=1M count=1 2>/dev/null
crc32 < /srv/www/big > /srv/www/sum
sleep 1000 | nc -l -p 5000 > /run/sent &
grep -vE '^(extra|disk|vif|vcpus)' /etc/xen/demo.cfg > /run/qcow2.cfg
cat >> /run/qcow2.cfg <<'END'
vcpus = 2
extra = "console=hvc0 mode=demo script=work.sh"
disk = ["format=qcow2,vdev=xvda,access=w,max-iops=2000,max-rate=20MB/s,target=/dev/nvme0n1",
        "/run/limited,raw,xvdb,r,max-iops=50,max-rate=2MB/s"]
vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0,rate=1MB/s,mac-filter"]
END
xl create /run/qcow2.cfg
wait_until 120 guest_says demo "QCOW2 working"
domain=$(xl domid demo)
expect "queues of the disk" 2 "$(xenstore-read /local/domain/$domain/device/vbd/51712/multi-queue-num-queues)"
expect "queues of the interface" 2 "$(xenstore-read /local/domain/$domain/device/vif/0/multi-queue-num-queues)"
step see that the backends are confined
for confined in xylem-blkback:2 xylem-netback:1000 xenconsoled:0; do
    program=${confined%:*}
    status=/proc/$(pidof $program)/status
    expect "the filter of $program" 2 "$(sed -n 's/^Seccomp:.//p' $status)"
    expect "no_new_privs of $program" 1 "$(sed -n 's/^NoNewPrivs:.//p' $status)"
    expect "the capabilities of $program" ${confined#*:} "$(sed -n 's/^CapEff:.0*\\(.\\)/\\1/p' $status)"
done
step kill disk and network
for pause in 2 3; do
    sleep $pause
    for program in xylem-blkback xylem-netback; do
        kill -9 $(pidof $program) || echo "$program is not there yet"
    done
done
step the guest works
wait_until 300 guest_says demo "QCOW2 talking" || { console_of demo | tail -n 20; exit 1; }
step kill the console daemon
for pause in 0.5 1 2; do
    sleep $pause
    kill -9 $(pidof xenconsoled) || echo "it is not there yet"
done
step the guest ends
end_of demo 300
console_of demo | grep -E '^(QCOW2|SCRIPT-STATUS|XYLEM)'
expect "the guest" "XYLEM-GUEST-READY" "$(console_of demo | grep XYLEM)"
step compare what the guest said
# A daemon that is killed between writing and releasing writes the ring's 2 KiB again: 300 lines at most.
console_of demo | awk '/^TALK [0-9]+$/ {
    if ($2 > last + 1 || $2 < last - 300) { print "after " last " it said " $2; bad = 1 }
    again += $2 <= last; if ($2 > last) last = $2
} END { print "it counted to " last ", and said " again + 0 " lines twice"; exit bad || last != COUNT }'
expect "what dom0 received" "$((2 << 20))" "$(wc -c < /run/sent)"
grep -c resumed /var/log/xen/xylem-blkback.log
echo QCOW2-PASSED
""".replace("COUNT", str(COUNT))


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


@system_test(seconds=120, variants=OUR_TOOLS, always=False)
def qcow2_disk(run, hypervisor, tools):
    plain, disk = run.folder / "plain.img", run.folder / "nvme.img"
    with open(plain, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(plain)], check=True)
    subprocess.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(plain), str(disk)], check=True)
    with open(disk, "r+b") as file:
        file.truncate(128 << 20)
    machine = Machine(hypervisor=hypervisor, tools=tools, smp=1, devices=[
        "-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=xylem"])
    lines = run_script(run, machine, DOM0, 700, files={"srv/www/work.sh": GUEST})
    check("QCOW2-PASSED" in lines, "the script in dom0 came to no verdict")
    judged = _output("qemu-img", "check", "-f", "qcow2", str(disk))
    print(f"    qemu-img check: {judged.returncode} (3: leaks only)\n{judged.stdout}", flush=True)
    check(judged.returncode in (0, 3), f"qemu-img check finds the image damaged:\n{judged.stdout}{judged.stderr}")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(plain)], check=True)
    found = _output("/sbin/e2fsck", "-fn", str(plain))
    check(found.returncode == 0, f"the guest's file system is damaged:\n{found.stdout}{found.stderr}")
    verdict = _output("/sbin/debugfs", "-R", "cat /verdict", str(plain))
    check(verdict.stdout == "written\n", f"the guest's file holds '{verdict.stdout}'")
    plain.unlink()
    disk.unlink()

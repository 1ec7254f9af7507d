"""What xl costs: dom0's busy instructions for creating and destroying domains, Debian's xl on real Xen beside ours on Xylem.

Busy is the time that passed less what dom0 was idle, so what the daemons do for xl counts too. One virtual second is 10^9
instructions; dom0 counts both in hundredths of a second, so cheap things are done many times. (What dom0 waits for while a guest
runs on its processor counts as busy, too.)
"""

import lzma
import re
import struct
from pathlib import Path

from tools.run.boot import files_for
from tools.run.machine import Machine

BUILD = Path("build")
UNIKERNEL = BUILD / "guests/hello.elf"
UNTIL_LINE = BUILD / "bench/until_line"

# What ours may cost at most, as a part of what Debian's tools on real Xen do.
MOST = {"first-line": 0.25}

# The order in which the script prints them.
ROWS = {
    "bzimage-first": "create, bzImage seen first",
    "bzimage-later": "create, bzImage seen before",
    "elf": "create, unpacked ELF",
    "destroy": "destroy, disk and vif",
    "unikernel": "create, 16 MiB unikernel",
    "unikernel-destroy": "destroy, unikernel",
    "first-line": "create, to hello's first line",
    "list": "list",
}

SCRIPT = """\
busy() { awk '{ printf "%.2f\\n", $1 - $2 }' /proc/uptime; }
cost() { # NAME TIMES COMMAND...: what COMMAND costs, once all has come to rest
    name=$1 times=$2; shift 2
    before=$(busy)
    i=0
    while [ $i -lt $times ]; do "$@" > /run/output 2>&1 || cat /run/output; i=$((i + 1)); done
    sleep 3
    busy | awk -v before=$before -v times=$times -v name=$name '{ printf "COST %s %.5f\\n", name, ($1 - before) / times }'
}
settings() { # KERNEL MEMORY
    echo "name = 'bench$i'"
    echo "type = 'pv'"
    echo "kernel = '$1'"
    echo "memory = $2"
}
i=0
devices='ramdisk = "/boot/domu/initrd.img"
disk = ["/var/lib/xen/images/demo.img,raw,xvda,rw"]
vif = ["bridge=xenbr0"]'
{ settings /boot/domu/vmlinuz 128; echo "$devices"; } > /run/bzimage.cfg
{ settings /rig/vmlinux 128; echo "$devices"; } > /run/elf.cfg
for i in $(seq 0 99); do settings /rig/hello.elf 16 > /run/unikernel$i.cfg; done
create_unikernel() { xl create -p /run/unikernel$i.cfg; }
destroy_unikernel() { xl destroy bench$i; }
sleep 3
cost bzimage-first 1 xl create -p /run/bzimage.cfg
cost first-destroy 1 xl destroy bench0
cost bzimage-later 1 xl create -p /run/bzimage.cfg
cost destroy 1 xl destroy bench0
cost elf 1 xl create -p /run/elf.cfg
xl destroy bench0
cost unikernel 100 create_unikernel
cost unikernel-destroy 100 destroy_unikernel
cost list 100 xl list
# What comes after the guest's first line is not counted: hello goes on to talk to the store. Each run begins at another part of a
# hundredth, so that the mean of what is cut off to hundredths is right.
for i in $(seq 0 99); do
    usleep $((i * 100))
    { settings /rig/hello.elf 16; echo 'extra = "stay"'; } > /run/hello.cfg
    log=/var/log/xen/console/guest-bench$i.log
    rm -f $log
    ./until_line $log "Hello. I am a small guest" xl create /run/hello.cfg
    sleep 0.5
    xl destroy bench$i
    sleep 0.5
done > /run/first-lines 2>&1
awk '/BUSY/ { sum += $NF; ++times } END { if (times == 100) printf "COST first-line %.5f\\n", sum / times }' /run/first-lines
[ "$(grep -c BUSY /run/first-lines)" = 100 ] || cat /run/first-lines
"""


def unpacked(bzimage):
    """The ELF image in Debian's bzImage: an xz stream, where the setup header says."""
    image = bzimage.read_bytes()
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    return lzma.LZMADecompressor().decompress(image[start:start + length])


def machine(hypervisor, tools):
    script, vmlinux = BUILD / "bench/toolstack.sh", BUILD / "bench/vmlinux"
    script.write_text(SCRIPT)
    vmlinux.write_bytes(unpacked(BUILD / "domu/vmlinuz"))
    # Room for an unpacked kernel in /rig and one in the cache.
    return Machine(hypervisor=hypervisor, tools=tools, mem="4G", dom0_mem="1536M",
                   files=files_for(script, [vmlinux, UNIKERNEL, UNTIL_LINE]))


def complaint(name, theirs, ours):
    missed = name in MOST and None not in (theirs, ours) and ours > MOST[name] * theirs
    return f"   above {MOST[name]} of Debian's" if missed else ""


def costs(lines):
    """@return for each row its 10^9 instructions; rows that are missing failed, as the log says"""
    found = {match[1]: float(match[2]) for match in (re.match(r"COST (\S+) ([\d.]+)$", line) for line in lines) if match}
    return {name: found[name] for name in ROWS if name in found}

"""The programs of frontends/programs as guests: hello says what it should and heeds `xl shutdown`; checksum drives a disk through
our frontend, on our backend and on Linux's, and its sum is the file's. Our backend is killed while it is at it, which it must not
notice.
"""

from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import SQUARES
from tests.collect.system import system_test
from tools.run.machine import Machine

PROGRAMS = ("hello", "checksum")

DOM0 = """\
config() { # NAME LINE...
    name=$1
    shift
    printf '%s\\n' "name = \\"$name\\"" 'type = "pv"' "kernel = \\"/rig/$name.elf\\"" 'memory = 16' 'vcpus = 2' "$@" > "/run/$name.cfg"
}

crc_said() {
    console_of checksum | sed -n 's/^CRC32 \\([0-9a-f]*\\) .*/\\1/p' | tail -n 1
}

crc_of() { # FILE: as the guest writes it, without leading zeros
    printf '%x\\n' "0x$(crc32 < "$1" | cut -d' ' -f1)"
}

sum_the_disk() { # WORDS
    config checksum "extra = \\"disk=51712 $1\\"" 'disk = ["phy:/dev/loop7,xvda,w"]'
    rm -f /var/log/xen/console/guest-checksum.log
    xl create /run/checksum.cfg
}

step hello
config hello 'extra = "stay"'
xl create /run/hello.cfg
wait_until 20 grep -q Hello /var/log/xen/console/guest-hello.log
console_of hello | grep Hello
xl shutdown hello
end_of hello 30
console_of hello | grep -x Goodbye.

step make a disk
dd if=/dev/urandom of=/run/disk.img bs=1024 count=9001 2>/dev/null
losetup /dev/loop7 /run/disk.img
step read it
sum_the_disk ""
end_of checksum 60
console_of checksum
expect "the sum of what the guest read" "$(crc_of /run/disk.img)" "$(crc_said)"
before=$(crc_said)
step write and read it
sum_the_disk write
disturb
end_of checksum 120
console_of checksum
sync
expect "the sum of what the guest wrote" "$(crc_of /run/disk.img)" "$(crc_said)"
[ "$before" != "$(crc_said)" ]
echo SMALL-GUESTS-PASSED
"""

DISTURB = {"xylem": """\
disturb() {
    for pause in 0.4 0.4 0.6; do
        sleep $pause
        kill -9 $(pidof xylem-blkback) || echo "the backend is not there yet"
    done
}
""", "debian": "disturb() { :; }\n"}


@system_test(seconds=60, variants=SQUARES, always={"xylem-on-xylem"})
def programs(run, hypervisor, tools):
    files = {f"rig/{name}.elf": Path(f"build/guests/{name}.elf").read_bytes() for name in PROGRAMS}
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DISTURB[tools] + DOM0, 300, files=files)
    check("SMALL-GUESTS-PASSED" in lines, "the script in dom0 came to no verdict")

"""Linux's own backends beside ours: each serves the disks and interfaces of one guest that are its own, and nothing is left of either."""

from tests.collect import dom0_state
from tests.collect.guest_script import UNTIL_SO
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

# Fetched over our interface, eth0; the other is eth1.
GUEST = UNTIL_SO + """\
until_so 60 [ -b /dev/xvdb ]
echo "XVDB $(sha256sum < /dev/xvdb | cut -d' ' -f1)"
echo "written for Linux" | dd of=/dev/xvdb bs=512 count=1 conv=sync,fsync 2> /dev/null
until_so 60 [ -d /sys/class/net/eth1 ]
ip address add 10.9.7.2/24 dev eth1
ip link set eth1 up
until_so 60 ping -c 1 -W 2 10.9.7.1
echo ETH1-ANSWERED
until_so 60 [ -b /dev/xvdc ]
echo "XVDC $(sha256sum < /dev/xvdc | cut -d' ' -f1)"
"""

DOM0 = dom0_state.AS_BEFORE + dom0_state.SMALL_GUEST + """\
bound_are() { # DEVICES
    for device in /sys/bus/xen-backend/devices/*; do
        [ ! -e $device/driver ] || echo ${device##*/}
    done > /run/bound
    [ "$(tr '\\n' ' ' < /run/bound | sed 's/ $//')" = "$1" ]
}
served_by_linux() { # DEVICE...: these alone, as soon as it has let go of others
    wait_until 10 bound_are "$*" || expect "what Linux serves" "$*" "$(cat /run/bound)"
}
sum_of() {
    sha256sum < "$1" | cut -d' ' -f1
}
round() { # of all that is done with the guest
    losetup /dev/loop3 /run/second.img
    sum=$(sum_of /run/second.img)
    xl create -q /run/mixed.cfg
    id=$(xl domid mixed)
    served_by_linux vbd-$id-51728 vif-$id-1
    wait_until 120 guest_says mixed "XVDB $sum" || { console_of mixed | tail -n 40; exit 1; }
    wait_until 60 guest_says mixed ETH1-ANSWERED
    expect "what dom0 sees of its address" 1 "$(ip neigh | grep -c '10.9.7.2 .*00:16:3e:00:00:02')"
    [ -e /sys/class/net/vif$id.0/tun_flags ]
    [ -e /sys/class/net/vif$id.1 ]
    [ ! -e /sys/class/net/vif$id.1/tun_flags ]
    kill -9 $(pidof xylem-blkback xylem-netback) # whose successors leave Linux's alone, too
    sleep 2
    xl block-attach mixed /run/third.img,raw,xvdc,r
    wait_until 60 guest_says mixed "XVDC $(sum_of /run/third.img)"
    served_by_linux vbd-$id-51728 vif-$id-1
    xl block-detach mixed xvdc
    xl block-detach mixed xvdb
    xl network-detach mixed 1
    served_by_linux
    expect "what it wrote" "written for Linux" "$(head -n 1 /run/second.img)"
    xl block-attach mixed /dev/loop3,raw,xvdd,w,backendtype=phy
    served_by_linux vbd-$id-51760
    xl destroy mixed
    losetup -d /dev/loop3
    ip neigh flush dev xenbr0 || true
}

ip address add 10.9.7.1/24 dev xenbr0
echo begun > /var/log/xen/xl-small.log # a log that stays
dd if=/dev/urandom of=/run/second.img bs=64k count=16 2> /dev/null
dd if=/dev/urandom of=/run/third.img bs=64k count=16 2> /dev/null
grep -vE '^(name|extra|disk|vif)' /etc/xen/demo.cfg > /run/mixed.cfg
cat >> /run/mixed.cfg <<END
name = "mixed"
extra = "console=hvc0 mode=idle script=mixed.sh"
disk = ["/var/lib/xen/images/demo.img,raw,xvda,w", "/dev/loop3,raw,xvdb,w,backendtype=phy"]
vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0", "mac=00:16:3e:00:00:02,bridge=xenbr0,backendtype=linux"]
END

step a guest with devices of both
round

step the same once more
sleep 2
/rig/dom0-state > /run/state.before # with what daemons, Linux's drivers and the hypervisor keep for the next
rm /var/log/xen/console/guest-mixed.log # a console daemon opens it anew for a new guest
round
as_before /run/state.before "a guest with devices of both"

step what xl.conf says of those that do not
printf 'vif.default.backendtype = "linux"\\ndisk.default.backendtype = "phy"\\n' > /etc/xen/xl.conf
small_guest small > /run/small.cfg
xl create -q /run/small.cfg
id=$(xl domid small)
served_by_linux vif-$id-0 # its disk is a file
losetup /dev/loop3 /run/second.img
xl block-attach small /dev/loop3,raw,xvdb,w
served_by_linux vbd-$id-51728 vif-$id-0
xl network-attach small mac=00:16:3e:00:00:56,backendtype=xylem
served_by_linux vbd-$id-51728 vif-$id-0
refused "is no block device, which backendtype=phy needs" xl block-attach small /run/third.img,raw,xvdc,w,backendtype=phy
refused "expected xylem or linux" xl network-attach small backendtype=phy
xl destroy small
losetup -d /dev/loop3
as_before /run/state.before "a guest by xl.conf's defaults"
AUDIT
echo LINUX-BACKENDS-PASSED
"""


@system_test(seconds=150, variants=OUR_TOOLS, always=False)
def beside_ours(run, hypervisor, tools):
    script = DOM0.replace("AUDIT", dom0_state.AUDIT[hypervisor])
    machine = Machine(hypervisor=hypervisor, tools=tools)
    lines = run_script(run, machine, script, 600, files={"srv/www/mixed.sh": GUEST, **dom0_state.files("idle.elf")})
    check("LINUX-BACKENDS-PASSED" in lines, "the script in dom0 came to no verdict")

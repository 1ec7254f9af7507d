"""A driver domain: a guest that runs xl devd serves another guest's disk and interface, and nothing is left of either.

The driver domain's own disk and interface are dom0's, so that what the served guest writes and sends goes through both: its disk is
the driver domain's /dev/xvda, its interface joins a bridge there, of which the driver domain's own is a port.
"""

from pathlib import Path

from tests.collect import dom0_state
from tests.collect.guest_script import UNTIL_SO
from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

DRIVER_DOMAIN = Path("build/domu/driver-domain.img")

# Fetched over the interface that the driver domain serves. Says on the console what comes and goes, and once a disk gives errors.
GUEST = UNTIL_SO + """\
reads() { # whether the disk gives a block that is in no cache
    echo 3 > /proc/sys/vm/drop_caches
    block=$(((block + 1) % 2048))
    dd if=/dev/xvda of=/dev/null bs=4096 count=1 skip=$block 2> /dev/null
}
watch() {
    for round in 1 2; do
        until_so 120 [ -b /dev/xvdb ]
        echo "XVDB-$round $(sha256sum < /dev/xvdb | cut -d' ' -f1)"
        until_so 120 [ ! -e /dev/xvdb ]
        echo "XVDB-$round-GONE"
    done
    until_so 120 [ -d /sys/class/net/eth1 ]
    ip address add 10.9.7.2/24 dev eth1
    ip link set eth1 up
    until_so 120 ping -c 1 -W 2 10.9.7.1
    echo ETH1-ANSWERED
    until_so 120 [ ! -d /sys/class/net/eth1 ]
    echo ETH1-GONE
}
read_on() {
    block=0
    while reads; do sleep 0.1; done
    echo DISK-ERROR
}
watch > /dev/console 2>&1 &
read_on > /dev/console 2>&1 &
"""

DOM0 = dom0_state.AS_BEFORE + dom0_state.SMALL_GUEST + """\
in_driver() { # COMMAND: typed into its shell
    (echo "$1"; sleep 2) | timeout 5 xl console driver > /run/typed 2>&1 || true
}
served_by() { # LIST-COMMAND: the domain in its second column
    xl "$1" served | awk 'NR == 2 { print $2 }'
}
ready_times() { # NUMBER: of guests that were called so
    [ "$(console_of served | grep -c '^XYLEM-GUEST-READY$')" -ge "$1" ]
}
driver_is_ready() { # TIMES
    [ "$(console_of driver | grep -c '^XYLEM-DRIVER-READY$')" -ge "$1" ]
}
has_another_id() { # THAN
    xl domid served > /run/domid 2> /dev/null && [ "$(cat /run/domid)" != "$1" ]
}
show_both() { # and fail
    console_of served | tail -n 20
    in_driver 'echo; ps; tail -n 20 /var/log/xen/*.log; dmesg | tail -n 5'
    console_of driver | tail -n 120
    xenstore-ls -f /local/domain/$driver/backend
    xenstore-ls -f "/local/domain/$(xl domid served)/device"
    return 1
}
attach_and_detach() { # ROUND
    xl block-attach served format=raw,vdev=xvdb,access=r,backend=driver,target=/srv/www/demo.bin || show_both
    wait_until 60 guest_says served "XVDB-$1 $(sha256sum < /srv/www/demo.bin | cut -d' ' -f1)" || show_both
    xl block-detach served xvdb
    wait_until 60 guest_says served "XVDB-$1-GONE"
}

cat > /run/driver.cfg <<END
name = "driver"
kernel = "/boot/domu/vmlinuz"
ramdisk = "/rig/driver-domain.img"
extra = "console=hvc0 xylem.card=eth0"
memory = 192
driver_domain = 1
disk = ["/var/lib/xen/images/demo.img,raw,xvda,w"]
vif = ["mac=00:16:3e:00:00:05,bridge=xenbr0"]
END
cat > /run/served.cfg <<END
name = "served"
kernel = "/boot/domu/vmlinuz"
ramdisk = "/boot/domu/initrd.img"
extra = "console=hvc0 mode=idle script=served.sh"
memory = 128
disk = ["format=raw,vdev=xvda,access=w,backend=driver,target=/dev/xvda"]
vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0,backend=driver"]
END
small_guest small | sed 's/^disk.*/disk = ["format=raw,vdev=xvda,access=r,backend=driver,target=\\/srv\\/www\\/demo.bin"]/
    s/^vif.*/vif = ["mac=00:16:3e:00:00:55,backend=driver"]/' > /run/small.cfg
for name in driver served small; do # logs that stay
    echo begun > /var/log/xen/xl-$name.log
done

step a few guests, as real Xen keeps of its heap what the first ones needed
small_guest small > /run/first.cfg
for n in 1 2 3; do
    xl create -q -p /run/first.cfg
    xl destroy small
done

step refuse what no driver domain serves
refused "domain 0, whose supervisor" xl devd -F
refused "no domain .driver." xl create /run/served.cfg
xl create -q -p /run/driver.cfg
driver=$(xl domid driver)
/rig/dom0-state > /run/state.paused
refused "driver domain $driver (driver) did not take up disk .* does it run .xl devd" xl create -q /run/small.cfg
as_before /run/state.paused "a guest whose driver domain runs no devd"

step start the driver domain
xl unpause driver
wait_until 120 guest_says driver XYLEM-DRIVER-READY || { console_of driver | tail -n 40; exit 1; }

step serve small guests
for n in 1 2 3 4 5; do # what the hypervisor keeps for the driver domain grows with the first
    xl create -q /run/small.cfg
    sleep 1
    xl destroy small
    if [ $n -le 2 ]; then
        sleep 1
        /rig/dom0-state > /run/state.driver
    else
        as_before /run/state.driver "small guest $n"
    fi
    grep free /run/state.driver
done

step serve a guest
xl create -q /run/served.cfg
served=$(xl domid served)
wait_until 180 ready_times 1 || { console_of served | tail -n 40; console_of driver | tail -n 40; exit 1; }
console_of served | grep "network: fetched demo.bin, SHA-256 $(sha256sum < /srv/www/demo.bin | cut -d' ' -f1)"
xl block-list served
xl network-list served
expect "whose its disk is" $driver "$(served_by block-list)"
expect "whose its interface is" $driver "$(served_by network-list)"
xl block-list --json served | grep -q '"backend_domid": '$driver
expect "what dom0 serves of it" "" "$(xenstore-ls /local/domain/0/backend/vbd | grep "^$served" || true)"
[ ! -e /sys/class/net/vif$served.0 ]
xl explain served | grep "of domain $driver"

step attach and detach
attach_and_detach 1
refused "driver domain $driver (driver) cannot serve disk 51744 of domain $served: .*/nothing" \\
    xl block-attach served format=raw,vdev=xvdc,access=r,backend=driver,target=/nothing
refused "cannot serve interface 1 of domain $served: .*no bridge nobr0" \\
    xl network-attach served backend=driver,bridge=nobr0
refused "a domain cannot serve itself" xl network-attach served backend=served
xenstore-ls -f /local/domain/$driver/backend | grep -c /51744/ || true
expect "disks" 1 "$(xl block-list served | awk 'NR > 1' | wc -l)"
expect "interfaces" 1 "$(xl network-list served | awk 'NR > 1' | wc -l)"

step kill devd and the backends in the driver domain
in_driver 'kill -9 $(pidof xylem-blkback xylem-netback); sleep 1; kill -9 $(pidof xl)'
sleep 3
attach_and_detach 2
ip address add 10.9.7.1/24 dev xenbr0
xl network-attach served mac=00:16:3e:00:00:02 backend=driver
wait_until 60 guest_says served ETH1-ANSWERED
expect "what dom0 sees of its address" 1 "$(ip neigh | grep -c '10.9.7.2 .*00:16:3e:00:00:02')"
xl network-detach served 1
wait_until 60 guest_says served ETH1-GONE
ip address del 10.9.7.1/24 dev xenbr0
ip neigh flush dev xenbr0 || true

step destroy the guest
[ -z "$(console_of served | grep -E 'DISK-ERROR|GAVE-UP' || true)" ]
xl destroy served
# What the hypervisor keeps for the driver domain has grown, by the many pages of this guest that were mapped; that all of it is given
# back is seen when the driver domain has ended.
as_before /run/state.driver "a guest with disk and interface of the driver domain" but_for_pages
mount -t ext4 -o loop,ro,noload /var/lib/xen/images/demo.img /mnt
expect "what it wrote" "written by the guest" "$(cat /mnt/guest.txt)"
umount /mnt

step reboot a guest
xl create -q /run/served.cfg
wait_until 180 ready_times 2
first=$(xl domid served)
xl reboot served
# The guest's Linux waits up to 5 s a device, xl up to 10 s for the old backends to close, and 40 s for the new ones.
wait_until 90 has_another_id $first || { cat /var/log/xen/xl-served.log; xl list; show_both; }
wait_until 180 ready_times 3
expect "whose its disk is" $driver "$(served_by block-list)"

step destroy the driver domain under a guest
xl destroy driver
wait_until 20 gone driver
for end in vbd/51712 vif/0; do # what Linux had under way as its disk closed it waits for all the same
    expect "the guest's $end" 6 "$(xenstore-read /local/domain/$(xl domid served)/device/$end/state)"
done
console_of served | grep DISK-ERROR || echo "the guest's read was under way"
xl list
xl block-list served
expect "domains" "Domain-0 served" "$(xl list | awk 'NR > 1 { print $1 }' | tr '\\n' ' ' | sed 's/ $//')"
xl domid served > /run/served.id
xl block-detach served xvda
expect "disks" 0 "$(xl block-list served | awk 'NR > 1' | wc -l)"
xl destroy served
[ -z "$(xenstore-ls -f / | grep -E "^/(local/domain|libxl)/($driver|$(cat /run/served.id))/" || true)" ]
sleep 2
/rig/dom0-state > /run/state.ended # with what daemons and the hypervisor keep for the next

step the same once more
xl create -q /run/driver.cfg
wait_until 120 driver_is_ready 2 || { console_of driver | tail -n 60; xl list; false; }
xl create -q /run/served.cfg
wait_until 180 ready_times 4
xl destroy driver
xl destroy served
as_before /run/state.ended "a second driver domain and its guest"
AUDIT
echo DRIVER-DOMAIN-PASSED
"""


@system_test(seconds=200, variants=OUR_TOOLS, always=False)
def serves_disks_and_interfaces(run, hypervisor, tools):
    script = DOM0.replace("AUDIT", dom0_state.AUDIT[hypervisor])
    files = {"srv/www/served.sh": GUEST, "rig/driver-domain.img": DRIVER_DOMAIN.read_bytes(), **dom0_state.files("idle.elf")}
    machine = Machine(hypervisor=hypervisor, tools=tools)
    lines = run_script(run, machine, script, 900, files=files, ready_seconds=300)
    check("DRIVER-DOMAIN-PASSED" in lines, "the script in dom0 came to no verdict")

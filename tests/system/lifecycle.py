"""The life of a guest as xl(1) tells it: created, listed, paused, talked to, shut down, destroyed; and nothing left of it."""

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

DOM0 = """\
state() {
    xl list "$1" | awk 'NR == 2 { print $5 }'
}

free_memory() {
    xl info | sed -n 's/^free_memory *: //p'
}

leftovers() { # what a domain leaves in the store, on the bridge and in the list
    xl list | awk 'NR > 1 && $2 != 0'
    xenstore-list /local/domain | grep -vx 0
    xenstore-ls /local/domain/0/backend 2>/dev/null | grep '[0-9] = ' | grep -v '""'
    ls /sys/class/net/xenbr0/brif
}

idle_config() { # NAME ADDRESS MAC's last digit
    cat > "/run/$1.cfg" <<END
name = "$1"
type = "pv"
kernel = "/boot/domu/vmlinuz"
ramdisk = "/boot/domu/initrd.img"
extra = "console=hvc0 mode=idle address=$2"
memory = 96
vif = ["mac=00:16:3e:00:01:0$3,bridge=xenbr0"]
END
}

step create a guest that waits for orders
idle_config first 10.9.0.11 1
xl create /run/first.cfg
wait_until 120 guest_says first XYLEM-GUEST-READY
id=$(xl domid first)
expect "its name" first "$(xl domname "$id")"
expect "its line in the list" "first $id 96 1" "$(xl list first | awk 'NR == 2 { print $1, $2, $3, $4 }')"

step leave its console
printf '\\035' | timeout 20 xl console first > /dev/null

step pause and unpause it
xl pause first
case $(state first) in *p*) ;; *) expect "the state of a paused guest" "with p" "$(state first)" ;; esac
ping -c 1 -W 2 10.9.0.11 > /dev/null && expect "a paused guest" silent "answering ping"
xl unpause first
wait_until 20 ping -c 1 -W 2 10.9.0.11 > /dev/null

step refuse a second guest of its name
xl create /run/first.cfg > /run/refused 2>&1 && expect "a second guest of one name" refused created
expect "domains" 2 "$(xl list | awk 'NR > 1' | wc -l)"

step shut it down
xl shutdown first
end_of first 60
expect "what is left of it" "" "$(leftovers)"
after_first=$(free_memory)

for name in second third; do
    step "create, destroy: $name"
    idle_config $name 10.9.0.12 2
    xl create /run/$name.cfg
    wait_until 120 guest_says $name XYLEM-GUEST-READY
    xl destroy $name
    end_of $name 30
    expect "what is left of the $name" "" "$(leftovers)"
    expect "free memory after the $name guest" "$after_first" "$(free_memory)"
done

step a guest that panics
idle_config fourth 10.9.0.13 3
sed -i '/^ramdisk/d' /run/fourth.cfg
echo 'on_crash = "preserve"' >> /run/fourth.cfg
xl create /run/fourth.cfg
timeout 60 xl console fourth < /dev/null > /run/last-words
case $(state fourth) in *c*) ;; *) expect "the state of a guest that panicked" "with c" "$(state fourth)" ;; esac
grep -q 'Kernel panic' /run/last-words
console_of fourth | grep -q 'Kernel panic'
xl destroy fourth
expect "what is left of the fourth" "" "$(leftovers)"
echo LIFECYCLE-PASSED
"""


@system_test(seconds=150, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def one_guest_after_another(run, hypervisor, tools):
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DOM0, 900)
    check("LIFECYCLE-PASSED" in lines, "the script in dom0 came to no verdict")

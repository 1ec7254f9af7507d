"""Channels, on a pty and on a socket, and a routed interface: a guest has all of them, and keeps them when what serves them is killed.

In the guest a program says back what it hears on /dev/hvc1 and /dev/hvc2, and counts when it is told to.
"""

from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

ASK = Path("build/tests/bin/ask")  # tests/support/ask.cpp
LAST = 300

# The guest has fetched this over its routed interface.
GUEST = f"""\
answer() {{ # NUMBER
    stty raw -echo # for as long as it is open
    while read -r words; do
        case $words in
        count) for i in $(seq {LAST}); do echo $i; sleep 0.02; done ;;
        *) echo "$1 heard $words" ;;
        esac
    done
}}
for number in 1 2; do
    tries=0
    until (: < /dev/hvc$number) 2> /dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || exit 1
        sleep 0.1
    done
    answer $number < /dev/hvc$number > /dev/hvc$number &
done
"""

DOM0 = f"""\
pty() {{
    xl channel-list demo | awk '$6 == "pty" {{ print $7 }}'
}}
pty_answers() {{
    [ "$(/rig/ask "$(pty)" "$1")" = "1 heard $1" ]
}}
descriptors() {{
    ls "/proc/$(pidof xenconsoled)/fd" | wc -l
}}
state() {{ # what a guest's devices leave in dom0
    xenstore-ls -f /local/domain/0/backend 2> /dev/null | grep -E '/console/|/vif/' || true
    ls /run/channel /dev/pts /sys/class/net 2> /dev/null || true
    ip route
}}
routed_to() {{
    ip route | grep -qE "^10.9.0.2 dev vif$domain.0 (proto [a-z]* )?scope link +src 10.9.0.1 +metric 2"
}}

step refuse a socket whose place is taken
grep -vE '^(extra|disk|vif)' /etc/xen/demo.cfg > /run/channels.cfg
cat >> /run/channels.cfg <<END
extra = "console=hvc0 mode=idle script=answer.sh"
channel = ["name=org.xylem.pty,connection=pty", "name=org.xylem.socket,connection=socket,path=/run/channel"]
vif = ["mac=00:16:3e:00:00:01,script=vif-route,gatewaydev=xenbr0,ip=10.9.0.2"]
END
echo mine > /run/channel
state > /run/before
refused 'there is a file already' xl create /run/channels.cfg
expect "what stands there" mine "$(cat /run/channel)"
rm /run/channel
refused 'no interface .nothing0. with an IPv4 address' xl create /run/channels.cfg "vif=['script=vif-route,gatewaydev=nothing0']"

step create the guest
state > /run/before
descriptors=$(descriptors)
xl create /run/channels.cfg
domain=$(xl domid demo)
wait_until 120 guest_says demo XYLEM-GUEST-READY || {{ console_of demo | tail -n 40; exit 1; }}

step route to the guest
ip route
routed_to
expect "proxy_arp" 1 "$(cat /proc/sys/net/ipv4/conf/vif$domain.0/proxy_arp)"
[ ! -e /sys/class/net/vif$domain.0/brport ]
ping -c 2 10.9.0.2
refused "10.9.0.2 is another interface's already" xl network-attach demo script=vif-route,gatewaydev=xenbr0,ip=10.9.0.2
expect "interfaces" 1 "$(xl network-list demo | awk 'NR > 1' | wc -l)"
xl network-attach demo script=vif-route gatewaydev=xenbr0 "ip=10.9.1.0/24 10.9.2.1"
ip route | grep -E '^10.9.1.0/24 dev vif'
ip route | grep -E '^10.9.2.1 dev vif'
xl network-detach demo 1
expect "routes to what is detached" "" "$(ip route | grep -E '^10.9.[12]' || true)"

step talk over the channels
xl channel-list demo
xl channel-list --json demo
expect "their states" "4 4" "$(xl channel-list demo | awk 'NR > 1 {{ print $3 }}' | tr '\\n' ' ' | sed 's/ $//')"
expect "over the pty" "1 heard hello" "$(/rig/ask "$(pty)" hello)"
expect "over the socket" "2 heard hello" "$(/rig/ask /run/channel hello)"
expect "over xl console" "1 heard this" "$( (echo this; sleep 3) | timeout 5 xl console -n 1 demo | head -n 1)"
refused 'channel on the socket /run/channel' xl console -n 2 demo
refused 'has no console 3' xl console -n 3 demo

step kill what serves them
/rig/ask /run/channel count {LAST} > /run/counted &
for kill in 1 2; do
    sleep 2
    kill -9 $(pidof xenconsoled)
    kill -9 $(pidof xylem-netback)
done
wait
expect "numbers that were lost" "" "$(seq {LAST} | grep -vxF -f /run/counted | tr '\\n' ' ')"
wait_until 20 pty_answers again
expect "over the socket" "2 heard again" "$(/rig/ask /run/channel again)"
expect "their states" "4 4" "$(xl channel-list demo | awk 'NR > 1 {{ print $3 }}' | tr '\\n' ' ' | sed 's/ $//')"
wait_until 20 routed_to
wait_until 20 ping -c 1 10.9.0.2

step destroy the guest
xl destroy demo
wait_until 20 gone demo
state > /run/after
diff /run/before /run/after
expect "descriptors of the console daemon" "$descriptors" "$(descriptors)"
echo CHANNELS-PASSED
"""


@system_test(seconds=60, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def channels_and_routes(run, hypervisor, tools):
    files = {"srv/www/answer.sh": GUEST, "rig/ask": ASK.read_bytes()}
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DOM0, 400, files=files)
    check("CHANNELS-PASSED" in lines, "the script in dom0 came to no verdict")

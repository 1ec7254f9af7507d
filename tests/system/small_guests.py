"""The programs of frontends/programs as guests: hello says what it should and heeds `xl shutdown`; checksum drives a disk through
our frontend, on our backend and on Linux's, and its sum is the file's. Our backend is killed while it is at it, which it must not
notice. random reads our entropy device, which xylem-device attaches. http serves its page and its metrics to dom0, at an address of
its command line and at one by DHCP; what it says of itself is read by another's parser of OpenMetrics. Under load it answers
several at once, each with the right bytes, while our backend of the network is killed.
"""

import json
import subprocess
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import SQUARES
from tests.collect.system import system_test
from tools.run.machine import Machine

PROGRAMS = ("hello", "checksum", "random", "http")

COMMON = """\
config() { # NAME LINE...
    name=$1
    shift
    printf '%s\\n' "name = \\"$name\\"" 'type = "pv"' "kernel = \\"/rig/$name.elf\\"" 'memory = 16' 'vcpus = 2' "$@" > "/run/$name.cfg"
}

create() { # NAME LINE...
    rm -f "/var/log/xen/console/guest-$1.log"
    config "$@"
    xl create "/run/$1.cfg"
}

serves() { # ADDRESS: whether the web server says that it does
    guest_says http "Serving http://$1:80/"
}

fetch() { # PATH: of the web server at $server
    timeout 200 wget -q -O - "http://$server$1"
}
"""

DOM0 = COMMON + """\
crc_said() {
    console_of checksum | sed -n 's/^CRC32 \\([0-9a-f]*\\) .*/\\1/p' | tail -n 1
}

crc_of() { # FILE: as the guest writes it, without leading zeros
    printf '%x\\n' "0x$(crc32 < "$1" | cut -d' ' -f1)"
}

sum_the_disk() { # WORDS
    create checksum "extra = \\"disk=51712 $1\\"" 'disk = ["phy:/dev/loop7,xvda,w"]'
}

step hello
create hello 'extra = "stay"'
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
disturb xylem-blkback
end_of checksum 120
console_of checksum
sync
expect "the sum of what the guest wrote" "$(crc_of /run/disk.img)" "$(crc_said)"
[ "$before" != "$(crc_said)" ]

step give random bytes
PATH=/rig:$PATH
xylem-rngback > /run/rngback.log 2>&1 &
create random
expect "a device for nobody" "xylem-device: there is no guest 'nobody'" "$(xylem-device attach nobody rng 2>&1)"
xylem-device attach random rng
end_of random 60
console_of random
expect "lines of random bytes, all different" 3 "$(console_of random | grep -x 'RANDOM [0-9a-f]*' | sort -u | wc -l)"
ones=$(console_of random | sed -n 's/^\\([0-9]*\\) of 800000 bits are ones$/\\1/p')
[ "$ones" -gt 395000 ]
[ "$ones" -lt 405000 ]

step serve pages
create http 'vif = ["bridge=xenbr0"]' 'extra = "ip=10.9.0.7::10.9.0.1:255.255.255.0"'
server=10.9.0.7
wait_until 30 serves $server
fetch / | grep "<h1>A small guest</h1>"
expect "bytes fetched" 300000 "$(fetch /bytes/300000 | wc -c)"
for i in $(seq 20); do fetch / > /dev/null; done
if fetch /nothing; then exit 1; fi
step go on beside clients that never come to an end
for i in $(seq 40); do { printf 'GET / HT'; sleep 20; } | nc $server 80 & done
sleep 1
fetch / | grep "<h1>A small guest</h1>"
fetch /metrics | sed 's/^/METRICS /'
step end
xl shutdown http
end_of http 30
guest_says http Goodbye.

step get an address by DHCP
printf '%s\\n' "start 10.9.0.100" "end 10.9.0.100" "interface xenbr0" "lease_file /run/leases" "pidfile /run/udhcpd.pid" \
    "opt subnet 255.255.255.0" "opt router 10.9.0.1" > /run/udhcpd.conf
: > /run/leases
udhcpd -f /run/udhcpd.conf > /run/udhcpd.log 2>&1 &
create http 'vif = ["bridge=xenbr0"]'
server=10.9.0.100
wait_until 60 serves $server || { cat /run/udhcpd.log; exit 1; }
fetch / | grep "<h1>A small guest</h1>"
xl destroy http
echo SMALL-GUESTS-PASSED
"""

LOAD = COMMON + """\
create http 'vif = ["bridge=xenbr0"]' 'extra = "ip=10.9.0.7::10.9.0.1:255.255.255.0"'
server=10.9.0.7
wait_until 30 serves $server
step fetch a lot in one piece
expect "bytes fetched" 8388608 "$(fetch /bytes/8388608 | wc -c)"
step fetch what is known
fetch / > /run/page
grep -q "<h1>A small guest</h1>" /run/page
fetch /bytes/251000 | cmp - /rig/bytes

fetch_to() { # FILE PATH: once more if there is no way to the guest, while its backend is away
    for try in $(seq 20); do
        if fetch "$2" > "$1"; then return 0; fi
        echo "AGAIN $2"
        sleep 3
    done
    return 1
}

ask() { # NAME: for the page and the metrics many times, for the bytes now and then
    got=/run/got-by-$1
    for i in $(seq 16); do
        fetch_to $got /
        cmp $got /run/page
        fetch_to $got /metrics
        expect "the end of the metrics" "# EOF" "$(tail -n 1 $got)"
        [ $((i % 8)) = 0 ] || continue
        fetch_to $got /bytes/251000
        cmp $got /rig/bytes
    done
    echo ANSWERED
}

step ask by several at once
for asker in 1 2 3 4 5; do ask $asker > /run/asker$asker & done
disturb xylem-netback
wait
cat /run/asker?
expect "askers who got all they asked for" 5 "$(cat /run/asker? | grep -cx ANSWERED)"
[ "$(cat /run/asker? | grep -c AGAIN)" -le $most_again ]
fetch /metrics | sed 's/^/METRICS /'
xl shutdown http
end_of http 30
echo SMALL-GUESTS-PASSED
"""

DISTURB = {"xylem": """\
most_again=100
disturb() { # BACKEND
    for pause in 0.4 0.4 0.6; do
        sleep $pause
        kill -9 $(pidof "$1") || echo "the backend is not there yet"
    done
}
""", "debian": "most_again=0\ndisturb() { :; }\n"}


# Reads OpenMetrics, strictly, and gives its samples as JSON: name and labels -> value. Debian's Python has the parser.
READ_METRICS = """\
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
samples = [sample for family in text_string_to_metric_families(sys.stdin.read()) for sample in family.samples]
print(json.dumps({" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}))
"""


def metrics_in(lines):
    text = "".join(line.removeprefix("METRICS ") + "\n" for line in lines if line.startswith("METRICS "))
    read = subprocess.run(["/usr/bin/python3", "-c", READ_METRICS], input=text, capture_output=True, text=True)
    check(read.returncode == 0, f"the metrics are not OpenMetrics: {read.stderr.strip()[-300:]}\n{text}")
    return json.loads(read.stdout)


def expect_metrics(lines, at_least):
    found = metrics_in(lines)
    for name, least in at_least.items():
        check(found.get(name, -1) >= least, f"the metric '{name}': expected {least} or more, found {found.get(name)}")
    check(found["http_connections"] <= found["http_connections_limit"], "there are more connections than there may be")


@system_test(seconds=90, variants=SQUARES, always={"xylem-on-xylem"})
def programs(run, hypervisor, tools):
    files = {f"rig/{name}.elf": Path(f"build/guests/{name}.elf").read_bytes() for name in PROGRAMS}
    files["rig/xylem-rngback"] = Path("build/bin/xylem-rngback").read_bytes()
    files["rig/xylem-device"] = Path("dom0/image/dom0/xylem-device").read_bytes()
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DISTURB[tools] + DOM0, 400, files=files)
    check("SMALL-GUESTS-PASSED" in lines, "the script in dom0 came to no verdict")
    expect_metrics(lines, {"http_responses_total 200": 23, "http_responses_total 404": 1, "http_sent_bytes_total": 300_000,
                           "http_connections_ended_total displaced": 8, "uptime_seconds": 1, "heap_used_bytes": 1})


@system_test(seconds=100, variants=SQUARES, always={"xylem-on-xylem"})
def web_load(run, hypervisor, tools):
    files = {"rig/http.elf": Path("build/guests/http.elf").read_bytes(), "rig/bytes": bytes(range(251)) * 1000}
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools), DISTURB[tools] + LOAD, 500, files=files)
    check("SMALL-GUESTS-PASSED" in lines, "the script in dom0 came to no verdict")
    expect_metrics(lines, {"http_responses_total 200": 173, "http_sent_bytes_total": 11_000_000})

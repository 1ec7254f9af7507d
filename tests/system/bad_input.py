"""Wrong requests to xl: each gets one clear sentence and exit status 1, and leaves no domain, store node, interface or page behind."""

import shlex
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

# name -> (the configuration, what the complaint must hold)
GOOD = {"name": '"bad"', "type": '"pv"', "kernel": '"/boot/domu/vmlinuz"', "memory": "64"}
BAD_CONFIGURATIONS = {
    "no-kernel": (GOOD | {"kernel": '"/nowhere/vmlinuz"'}, "/nowhere/vmlinuz"),
    "kernel-no-kernel": (GOOD | {"kernel": '"/etc/passwd"'}, "/etc/passwd"),
    "kernel-a-folder": (GOOD | {"kernel": '"/boot"'}, "'/boot': it is no regular file"),
    "truncated-kernel": (GOOD | {"kernel": '"/run/truncated"'}, "'/run/truncated': it is truncated"),
    "corrupt-kernel": (GOOD | {"kernel": '"/run/corrupt"'}, "'/run/corrupt': its xz payload is corrupt"),
    "no-disk": (GOOD | {"disk": '["/nowhere/disk.img,raw,xvda,rw"]'}, "/nowhere/disk.img"),
    "disk-a-folder": (GOOD | {"disk": '["/etc,raw,xvda,rw"]'}, "'/etc': it is neither a file nor a block device"),
    "disk-twice": (GOOD | {"disk": '["/run/truncated,raw,xvda,rw", "/run/truncated,raw,xvdb,rw"]'}, "is given twice, as xvda and as xvdb"),
    "vdev-twice": (GOOD | {"disk": '["/run/truncated,raw,xvda,r", "/run/corrupt,raw,xvda,r"]'}, ":5:38: there are two disks 'xvda'"),
    "no-bridge": (GOOD | {"vif": '["bridge=nobridge"]'}, "nobridge"),
    "mac-too-short": (GOOD | {"vif": '["mac=00:16:3e:00:00"]'}, ":5:9: '00:16:3e:00:00' is no MAC address"),
    "mac-of-a-group": (GOOD | {"vif": '["mac=01:16:3e:00:00:01"]'}, "the address of a group"),
    "vifname-taken": (GOOD | {"vif": '["vifname=xenbr0"]'}, "there is an interface 'xenbr0' already"),
    "vifname-a-path": (GOOD | {"vif": '["vifname=a/b"]'}, "'a/b' cannot be an interface's name"),
    # Only the backend can tell, when the domain is there already.
    "mtu-too-large": (GOOD | {"memory": "96", "vif": '["mtu=65535"]'}, "cannot set its MTU to 65535"),
    "too-much-memory": (GOOD | {"memory": "100000"}, "wants 100000 MiB"),
    "too-little-memory": (GOOD | {"memory": "16"}, "the domain has 16 MiB"),
    "no-memory": (GOOD | {"memory": "0"}, ":4:10: 'memory' wants a number from 1"),
    "negative-memory": (GOOD | {"memory": "-5"}, ":4:10: expected a string in quotes, a number or a list in [ ], found '-'"),
    "memory-no-number": (GOOD | {"memory": '"much"'}, ":4:10: 'memory' wants a number"),
    "no-vcpus": (GOOD | {"vcpus": "0"}, ":5:9: 'vcpus' wants a number from 1"),
    "vcpus-beyond-all": (GOOD | {"vcpus": "9000"}, ":5:9: 'vcpus' wants a number from 1"),
    "nothing": ({}, ":1:1: 'name' is missing"),
    "unclosed-string": (GOOD | {"name": '"bad'}, ":1:8: this string does not end on its line"),
    "name-with-slash": (GOOD | {"name": '"a/b"'}, ":1:8: 'a/b' cannot be a domain's name"),
    "name-too-long": (GOOD | {"name": f'"{"a" * 300}"'}, "expected at most 40 letters"),
    "name-with-nul": (GOOD | {"name": '"a\0b"'}, ":1:10: a string cannot hold byte 0x00"),
    "name-of-dom0": (GOOD | {"name": '"Domain-0"'}, "there is a domain 'Domain-0' already"),
    "unknown-option": (GOOD | {"memry": "1"}, ":5:1: there is no option 'memry'; did you mean 'memory'?"),
    "option-not-served": (GOOD | {"pci": '["00:03.0"]'}, ":5:7: the option 'pci' is not served yet"),
}
# More than Xylem makes; real Xen makes them.
TOO_MANY_VCPUS = (GOOD | {"memory": "96", "vcpus": "1000"}, "of 1000 vCPUs")
BAD_COMMANDS = {
    "xl domid nobody": "nobody",
    "xl shutdown nobody": "nobody",
    "xl console nobody": "nobody",
    "xl create /nowhere.cfg": "/nowhere.cfg",
    "xl create /etc": "'/etc': it is a directory",
    "xl destroy 0": "cannot destroy domain 0",
    "xl frobnicate": "frobnicate",
}

DOM0 = """\
complain() { # NAME WORD COMMAND...: the command must fail with status 1 and a sentence that holds WORD
    name=$1
    word=$2
    shift 2
    step $name
    status=0
    "$@" > /run/output 2>&1 < /dev/null || status=$?
    cat /run/output
    expect "$name: exit status" 1 $status
    grep -qF -- "$word" /run/output || expect "$name: the complaint" "holding $word" "$(cat /run/output)"
    expect "$name: domains" 0 "$(xl list | awk 'NR > 1 && $2 != 0' | wc -l)"
    expect "$name: domains in the store" 0 "$(xenstore-list /local/domain)"
    expect "$name: interfaces" "$interfaces" "$(ls /sys/class/net)"
}
same_pages() {
    [ "$pages" = "$(/rig/host-pages)" ]
}
interfaces=$(ls /sys/class/net)
# The first domain ever makes dom0's own tables of events and grants grow by a few pages, for good.
xl create /rig/mtu-too-large.cfg > /dev/null 2>&1 && expect "a guest with too large an MTU" refused created
sleep 2
pages=$(/rig/host-pages)
head -c 1000000 /boot/domu/vmlinuz > /run/truncated
cp /boot/domu/vmlinuz /run/corrupt
echo 'here was something else' | dd of=/run/corrupt bs=1 seek=3000000 conv=notrunc 2>/dev/null
"""

AFTER = """\
step count pages
wait_until 10 same_pages || expect "pages free, of all domains, of dom0" "$pages" "$(/rig/host-pages)"
echo BAD-INPUT-PASSED
"""


def configuration(settings):
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


@system_test(seconds=60, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def xl_complains_and_leaves_nothing(run, hypervisor, tools):
    bad = dict(BAD_CONFIGURATIONS)
    if hypervisor == "xylem":
        bad["too-many-vcpus"] = TOO_MANY_VCPUS
    files = {f"rig/{name}.cfg": configuration(settings) for name, (settings, _) in bad.items()}
    files["rig/host-pages"] = Path("build/tests/bin/host-pages").read_bytes()
    script = DOM0
    for name, (_, word) in bad.items():
        script += f"complain {name} {shlex.quote(word)} xl create /rig/{name}.cfg\n"
    for command, word in BAD_COMMANDS.items():
        script += f"complain '{command}' {shlex.quote(word)} {command}\n"
    script += AFTER
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools, smp=1), script, 500, files=files)
    check("BAD-INPUT-PASSED" in lines, "the script in dom0 came to no verdict")

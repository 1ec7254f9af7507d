"""Wrong requests to xl: each gets one clear sentence and exit status 1, and leaves no domain, store node or interface behind."""

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

# name -> (the configuration, a word that the complaint must hold)
GOOD = {"name": '"bad"', "type": '"pv"', "kernel": '"/boot/domu/vmlinuz"', "memory": "64"}
BAD_CONFIGURATIONS = {
    "no-kernel": (GOOD | {"kernel": '"/nowhere/vmlinuz"'}, "/nowhere/vmlinuz"),
    "kernel-no-kernel": (GOOD | {"kernel": '"/etc/passwd"'}, "/etc/passwd"),
    "truncated-kernel": (GOOD | {"kernel": '"/run/truncated"'}, "/run/truncated"),
    "no-disk": (GOOD | {"disk": '["/nowhere/disk.img,raw,xvda,rw"]'}, "/nowhere/disk.img"),
    "no-bridge": (GOOD | {"vif": '["bridge=nobridge"]'}, "nobridge"),
    "too-much-memory": (GOOD | {"memory": "100000"}, "memory"),
    "memory-no-number": (GOOD | {"memory": '"much"'}, "memory"),
    "unclosed-string": (GOOD | {"name": '"bad'}, "1"),
}
BAD_COMMANDS = {
    "xl domid nobody": "nobody",
    "xl shutdown nobody": "nobody",
    "xl console nobody": "nobody",
    "xl create /nowhere.cfg": "/nowhere.cfg",
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
interfaces=$(ls /sys/class/net)
head -c 1000000 /boot/domu/vmlinuz > /run/truncated
"""


def configuration(settings):
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


@system_test(seconds=60, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def xl_complains_and_leaves_nothing(run, hypervisor, tools):
    files = {f"rig/{name}.cfg": configuration(settings) for name, (settings, _) in BAD_CONFIGURATIONS.items()}
    script = DOM0
    for name, (_, word) in BAD_CONFIGURATIONS.items():
        script += f"complain {name} {word} xl create /rig/{name}.cfg\n"
    for command, word in BAD_COMMANDS.items():
        script += f"complain '{command}' {word} {command}\n"
    script += "echo BAD-INPUT-PASSED\n"
    lines = run_script(run, Machine(hypervisor=hypervisor, tools=tools, smp=1), script, 300, files=files)
    check("BAD-INPUT-PASSED" in lines, "the script in dom0 came to no verdict")

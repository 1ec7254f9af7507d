"""Runs a shell script in dom0 once its services are up, and hands back what it printed."""

from tests.collect.outcome import Failure
from tools.run.boot import RC_LOCAL

WAIT_UNTIL = """\
wait_until() { # SECONDS COMMAND...
    deadline=$(($(cut -d. -f1 /proc/uptime) + $1))
    shift
    until "$@"; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ] || return 1
        sleep 0.3
    done
}
"""

# Loaded before each script. `step` names what is being done; a script stops at the first command that fails.
PRELUDE = WAIT_UNTIL + """\
set -eu
trap 'status=$?; [ $status = 0 ] || echo "SCRIPT-FAILED while: $doing (status $status)"' EXIT
doing=starting

step() {
    doing=$*
    echo "STEP $(cut -d' ' -f1 /proc/uptime) $*"
}

expect() { # WHAT EXPECTED FOUND
    [ "$2" = "$3" ] || { echo "SCRIPT-FAILED $1: expected '$2', found '$3'"; trap - EXIT; exit 1; }
}

refused() { # WORDS COMMAND...: it fails, and says that
    words=$1
    shift
    if "$@" > /run/said 2>&1; then expect "the end of $*" "a failure" "success"; fi
    grep -q -- "$words" /run/said || expect "what $* says" "$words" "$(cat /run/said)"
}

console_of() {
    tr -d '\\r' < "/var/log/xen/console/guest-$1.log"
}

guest_says() { # DOMAIN LINE
    console_of "$1" 2>/dev/null | grep -qx "$2"
}

gone() { # DOMAIN
    ! xl domid "$1" >/dev/null 2>&1
}

end_of() { # DOMAIN SECONDS: waits for it, and shows its console if it takes longer
    wait_until "$2" gone "$1" || { console_of "$1" | tail -n 40; return 1; }
}
"""


def run_script(run, machine, script, seconds, files=None, ready_seconds=180):
    """Boots the machine, runs the script. @return the lines that dom0's console showed, from the script's start on

    `files`: path in dom0 -> text or bytes, put there before it boots.
    """
    machine.files = {"etc/rc.local": (RC_LOCAL, 0o755), "rig/script": (PRELUDE + script, 0o755),
                     **{path: (data, 0o755) for path, data in (files or {}).items()}}
    with run.boot(machine, ready_seconds + seconds + 30) as console:
        console.expect("^XYLEM-DOM0-READY$", ready_seconds)
        console.expect(r"^SCRIPT-END \d+$", seconds)
        lines = [text for _, text in console.lines]
    script_lines = lines[lines.index("XYLEM-DOM0-READY") + 1:]
    for line in script_lines:
        if line.startswith("SCRIPT-FAILED"):
            raise Failure(line)
    if "SCRIPT-END 0" not in script_lines:
        raise Failure("the script in dom0 did not end well")
    return script_lines

"""What xl's commands leave and print beside a domain's life: cores in Xen's format, JSON for programs, refusals, help.

The core of a small guest is read back here, outside of the machine, from a disk that dom0 has written it to.
"""

import json
import struct
from pathlib import Path

from tests.collect.outcome import check
from tests.collect.script import run_script
from tests.collect.squares import OUR_TOOLS
from tests.collect.system import system_test
from tools.run.machine import Machine

PAGE = 4096
NEEDLE = b"needle-in-a-guest"
MIB = 16

DOM0 = """\
config() { # NAME LINE...
    name=$1
    shift
    printf '%s\\n' "name = \\"$name\\"" 'type = "pv"' "kernel = \\"/rig/$name.elf\\"" 'memory = 16' "$@" > "/run/$name.cfg"
}

state() {
    xl list "$1" | awk 'NR == 2 { print $5 }'
}

refused() { # STATUS WORDS COMMAND...: it ends so, and says that
    status=$1 words=$2
    shift 2
    set +e
    "$@" > /run/said 2>&1
    ended=$?
    set -e
    expect "the exit status of $*" $status $ended
    grep -q -- "$words" /run/said || expect "what $* says" "$words" "$(cat /run/said)"
}

as_json() { # NAME COMMAND...
    echo "JSON $1 $(shift; "$@" | tr -d '\\n')"
}

step create a guest, telling each step
config hello 'extra = "stay needle-in-a-guest"' 'vif = ["mac=00:16:3e:00:03:01,bridge=xenbr0"]'
xl -v create /run/hello.cfg 2> /run/told
for word in 'UUID' '16 MiB, kernel /rig/hello.elf' 'introduced' 'the backend of interface 0' 'waits for the end' 'starting domain'; do
    grep -q "$word" /run/told || expect "the steps of create" "$word" "$(cat /run/told)"
done
wait_until 20 grep -q Hello /var/log/xen/console/guest-hello.log

step dump its core
xl dump-core hello /run/hello.core
case $(state hello) in *p*) expect "the state after the dump" "without p" "$(state hello)" ;; esac
[ "$(du -k /run/hello.core | cut -f1)" -lt 8192 ] || expect "room that the core takes" "less than half" "$(du -k /run/hello.core)"
dd if=/run/hello.core of=/dev/nvme0n1 bs=1M conv=fsync 2> /dev/null
refused 1 'is no file' xl dump-core hello /dev/null
refused 1 'No such file' xl dump-core hello /run/nowhere/core
refused 1 'domain 0' xl dump-core 0 /run/zero.core
expect "files left beside cores" "" "$(ls /run/*.partial 2> /dev/null)"

step dump the core of a guest that crashes
config checksum 'on_crash = "coredump-destroy"'
xl create /run/checksum.cfg
end_of checksum 60
cat /var/log/xen/xl-checksum.log
[ -s /var/lib/xen/dump/checksum ]

step list for programs
for command in list vm-list vcpu-list uptime claims cpupool-list sched-credit2 "network-list hello" "block-list hello" info; do
    as_json ${command%% *} xl $command --json
done

step refuse
refused 1 'HVM guest' xl cd-insert hello xvdc /run/hello.cfg
refused 1 'HVM guest' xl cd-eject hello xvdc
refused 2 'target' xl cd-insert hello xvdc
refused 1 "there is no command 'nonsense'" xl nonsense
refused 2 'required' xl destroy
refused 1 "there is no domain 'nobody'" xl destroy nobody
config hello "$TOO_MUCH"
sed -i '1s/hello/many/' /run/hello.cfg
refused 1 "$COMPLAINT" xl create /run/hello.cfg
[ ! -e /var/log/xen/xl-many.log ] || expect "the log of a domain that was not made" none "$(ls -l /var/log/xen/xl-many.log)"

step read the manual
man xl | grep -q dump-core
man 5 xl.cfg | grep -q coredump-destroy
refused 16 'no manual page' man nothing
xl help dump-core | grep -q file
xl help | grep -q vcpu-list
xl destroy hello
echo COMMANDS-PASSED
"""


# What only Xylem refuses is told with its limit.
TOO_MUCH = {"xylem": "TOO_MUCH='vcpus = 65'\nCOMPLAINT='on Xylem 64 are the most'\n",
            "xen": "TOO_MUCH='disk = [\"/nowhere,raw,xvda,w\"]'\nCOMPLAINT='/nowhere'\n"}


def sections_of(core):
    """@return each section's name -> its content"""
    at, count, names = struct.unpack_from("<Q", core, 40)[0], *struct.unpack_from("<HH", core, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", core, at + i * 64) for i in range(count)]
    text = core[headers[names][4]:headers[names][4] + headers[names][5]]
    return {text[name:text.index(b"\0", name)].decode(): core[offset:offset + size]
            for name, _, _, _, offset, size, *_ in headers}


def check_core(core):
    check(core[:4] == b"\x7fELF" and core[16] == 4, "the core is no ELF core")
    sections = sections_of(core)
    check(set(sections) == {"", ".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_pages", ".xen_p2m"},
          f"sections: {sorted(sections)}")
    magic, vcpus, pages, page = struct.unpack_from("<4Q", sections[".note.Xen"], 32)
    check((magic, vcpus, page) == (0xF00FEBED, 1, PAGE), f"the header note: {magic:#x} {vcpus} {page}")
    check(MIB * 256 <= pages <= MIB * 256 + 8 and len(sections[".xen_pages"]) == pages * PAGE, f"{pages} pages")
    p2m = [struct.unpack_from("<QQ", sections[".xen_p2m"], i * 16) for i in range(pages)]
    check([pfn for pfn, _ in p2m[:MIB * 256]] == list(range(MIB * 256)), "the pfns are not those of a new guest")
    check(len({mfn for _, mfn in p2m}) == pages, "a frame stands there twice")
    memory = sections[".xen_pages"]
    holders = [page for page in (memory[i:i + PAGE] for i in range(0, len(memory), PAGE)) if NEEDLE in page]
    check(any(page.startswith(b"xen-3.0-x86_64") for page in holders),
          f"no start_info page with the guest's command line; it is in {len(holders)} pages")
    rip = struct.unpack_from("<Q", sections[".xen_prstatus"], 512 + 8 + 16 * 8)[0]
    check(rip != 0, "vCPU 0 has no instruction pointer")


def check_json(lines):
    found = {}
    for line in lines:
        if line.startswith("JSON "):
            _, name, text = line.split(" ", 2)
            found[name] = json.loads(text)
    names = {name: [row["name"] for row in found[name]] for name in ("uptime", "claims", "sched-credit2")}
    check(all(row == ["Domain-0", "hello"] for row in names.values()), f"names: {names}")
    check([row["config"]["c_info"]["name"] for row in found["list"]] == ["Domain-0", "hello"], "xl list --json")
    check([row["name"] for row in found["vm-list"]] == ["hello"], "xl vm-list --json")
    check({row["name"] for row in found["vcpu-list"]} == {"Domain-0", "hello"} and
          all(isinstance(row["cpu_time_ns"], int) for row in found["vcpu-list"]), "xl vcpu-list --json")
    check(found["cpupool-list"][0]["cpus"] == [0, 1], "xl cpupool-list --json")
    check(found["network-list"][0]["mac"] == "00:16:3e:00:03:01", "xl network-list --json")
    check(found["block-list"] == [], "xl block-list --json")
    check(found["info"]["nr_cpus"] == 2 and found["info"]["xen_major"] == 4 and
          found["info"]["total_memory"] == 2047, f"xl info --json: {found['info']}")


@system_test(seconds=45, variants=OUR_TOOLS, always={"xylem-on-xylem"})
def leave_and_print_what_is_documented(run, hypervisor, tools):
    disk = run.folder / "core.img"
    with open(disk, "wb") as file:
        file.truncate(32 << 20)
    files = {f"rig/{name}.elf": Path(f"build/guests/{name}.elf").read_bytes() for name in ("hello", "checksum")}
    # dump-core asks real Xen of each frame whether it is the guest's, and with guest_loglvl=all Xen logs each that is not.
    machine = Machine(hypervisor=hypervisor, tools=tools, machine="q35", hypervisor_args="guest_loglvl=warning",
                      devices=["-drive", f"file={disk},if=none,id=disk,format=raw", "-device", "nvme,drive=disk,serial=xylem"])
    lines = run_script(run, machine, TOO_MUCH[hypervisor] + DOM0, 240, files=files)
    check("COMMANDS-PASSED" in lines, "the script in dom0 came to no verdict")
    check_core(disk.read_bytes())
    check_json(lines)

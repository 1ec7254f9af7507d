"""`make bench`: native Linux, real Xen and Xylem side by side, in instructions.

Usage: python3 -m tests.bench.bench [--out FILE.json] [--skip native|xen|xylem ...]
Every figure comes from QEMU counting instructions (one tick of the time stamp counter an instruction), one processor: it
repeats within some percent on any host. Five parts: osbench as dom0's init; QEMU's start to dom0's init; `xl create` to the
guest's init, and what xl costs dom0, by Debian's tools on real Xen and by ours on Xylem; and what a transaction costs either
xenstored, both on real Xen.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from dom0.image.newc import Archive
from tests.bench import store, toolstack
from tools.run.boot import files_for
from tools.run.console import Console, ConsoleError
from tools.run.machine import Machine, MachineError

BUILD = Path("build")
LOGS = BUILD / "logs/bench"
SECONDS = 1500

# How far the overhead over native may exceed real Xen's.
TOLERANCE = {"mmap-munmap": 1.5}
USUAL_TOLERANCE = 1.05

CREATE_SCRIPT = """\
grep -v '^extra' /etc/xen/demo.cfg > /run/bench.cfg
echo 'extra = "console=hvc0 mode=idle"' >> /run/bench.cfg
chmod +x ./until_line
./until_line /var/log/xen/console/guest-demo.log 'Run /init as init' xl create /run/bench.cfg
"""


def init_alone(program):
    """An initrd that holds one static program, as init."""
    archive = Archive()
    archive.character_device("dev/console", 5, 1)
    archive.copy("init", program, 0o755)
    initrd = BUILD / f"bench/{program.name}.cpio"
    initrd.write_bytes(archive.to_bytes())
    return initrd


def boot(name, machine, progress):
    machine.smp, machine.icount = 1, True
    with Console(machine, LOGS / f"{name}.log", SECONDS, progress) as console:
        return console.expect_end(SECONDS)


def show_bench(_, text):
    if text.startswith("BENCH "):
        print("    " + text, flush=True)


def osbench(hypervisor):
    lines = boot(f"osbench-{hypervisor}", Machine(hypervisor=hypervisor, initrd=init_alone(BUILD / "bench/osbench")), show_bench)
    rows = {match[1]: float(match[2]) for match in (re.match(r"BENCH (\S+)\s+([\d.]+)$", line) for line in lines) if match}
    if "BENCH-END" not in lines:
        raise ConsoleError(f"osbench on {hypervisor} did not come to its end; see {LOGS}/osbench-{hypervisor}.log")
    return rows


def start_up(hypervisor):
    """QEMU's start to dom0's init, in 10^9 instructions."""
    lines = boot(f"start-{hypervisor}", Machine(hypervisor=hypervisor, initrd=init_alone(BUILD / "bench/stamp")), None)
    for line in lines:
        if match := re.match(r"STAMP (\d+)", line):
            return int(match[1]) / 1e9
    raise ConsoleError(f"dom0 on {hypervisor} never came to its init; see {LOGS}/start-{hypervisor}.log")


def create(hypervisor, tools):
    """`xl create` to the guest's init, in virtual seconds: 10^9 instructions each, or idle time."""
    script = BUILD / "bench/create.sh"
    script.write_text(CREATE_SCRIPT)
    machine = Machine(hypervisor=hypervisor, tools=tools, files=files_for(script, [BUILD / "bench/until_line"]))
    for line in boot(f"create-{hypervisor}", machine, None):
        if match := re.match(r"UNTIL ([\d.]+)", line):
            return float(match[1])
    raise ConsoleError(f"the guest on {hypervisor} never came to its init; see {LOGS}/create-{hypervisor}.log")


def tools_costs(hypervisor, tools):
    rows = toolstack.costs(boot(f"toolstack-{hypervisor}", toolstack.machine(hypervisor, tools), None))
    if missing := [name for name in toolstack.ROWS if name not in rows]:
        raise ConsoleError(f"xl on {hypervisor} did not come to {', '.join(missing)}; see {LOGS}/toolstack-{hypervisor}.log")
    return rows


def store_costs():
    rows = store.costs(boot("store", store.machine(), None))
    if len(rows) != len(store.CLIENTS) * len(store.WATCHES):
        raise ConsoleError(f"only {len(rows)} comparisons of the stores came to an end; see {LOGS}/store.log")
    return rows


def measure(hypervisors):
    results = {"osbench": {}, "start": {}, "create": {}, "toolstack": {}, "store": []}
    for hypervisor in hypervisors:
        print(f"==> osbench as init on {hypervisor}", flush=True)
        results["osbench"][hypervisor] = osbench(hypervisor)
        print(f"==> QEMU's start to init on {hypervisor}", flush=True)
        results["start"][hypervisor] = start_up(hypervisor)
        if hypervisor != "native":
            tools = {"xen": "debian", "xylem": "xylem"}[hypervisor]
            print(f"==> xl create to the guest's init on {hypervisor}", flush=True)
            results["create"][hypervisor] = create(hypervisor, tools)
            print(f"==> what xl costs on {hypervisor}", flush=True)
            results["toolstack"][hypervisor] = tools_costs(hypervisor, tools)
    if "xen" in hypervisors:
        print("==> what a transaction costs Debian's xenstored and ours", flush=True)
        results["store"] = store_costs()
    return results


def within(row, native, xen, xylem):
    """Whether Xylem's overhead keeps to Xen's; where Xen has next to none, the whole counts."""
    tolerance = TOLERANCE.get(row, USUAL_TOLERANCE)
    if xen - native < 0.02 * native:
        return xylem <= tolerance * xen
    return xylem - native <= tolerance * (xen - native)


def ratio(value, base):
    return f"{value / base:.2f}" if value is not None and base else "-"


def cell(value):
    return f"{value:,.0f}" if value is not None else "-"


def print_table(results):
    benches = results["osbench"]
    names = list(dict.fromkeys(name for rows in benches.values() for name in rows))
    print(f"\n{'instructions an operation':26}{'native':>12}{'Xen':>12}{'Xylem':>12}{'Xen/nat.':>10}{'Xylem/nat.':>11}{'Xylem/Xen':>10}")
    for name in names:
        native, xen, xylem = (benches.get(which, {}).get(name) for which in ("native", "xen", "xylem"))
        known = None not in (native, xen, xylem)
        mark = "" if not known or within(name, native, xen, xylem) else "   above Xen's overhead"
        print(f"{name:26}{cell(native):>12}{cell(xen):>12}{cell(xylem):>12}{ratio(xen, native):>10}{ratio(xylem, native):>11}"
              f"{ratio(xylem, xen):>10}{mark}")
    for title, key in (("QEMU's start to init, s", "start"), ("xl create to init, s", "create")):
        native, xen, xylem = (results[key].get(which) for which in ("native", "xen", "xylem"))
        seconds = [f"{value:.2f}" if value is not None else "-" for value in (native, xen, xylem)]
        print(f"{title:26}{seconds[0]:>12}{seconds[1]:>12}{seconds[2]:>12}{ratio(xen, native):>10}{ratio(xylem, native):>11}"
              f"{ratio(xylem, xen):>10}")


def print_costs(results):
    xen, xylem = (results["toolstack"].get(which, {}) for which in ("xen", "xylem"))
    print(f"\n{'dom0, 10^6 instructions':30}{'Debian/Xen':>12}{'Xylem':>12}{'ratio':>10}")
    for name, title in toolstack.ROWS.items():
        theirs, ours = (rows[name] * 1000 if name in rows else None for rows in (xen, xylem))
        cells = [f"{value:,.1f}" if value is not None else "-" for value in (theirs, ours)]
        print(f"{title:30}{cells[0]:>12}{cells[1]:>12}{ratio(ours, theirs):>10}{toolstack.complaint(name, theirs, ours)}")


def print_store(results):
    if results["store"]:
        print(f"\n{'a transaction: instructions of':32}{'Debian xenstored':>18}{'ours':>12}{'ratio':>10}{'at least':>12}{'ratio':>10}")
    for row in results["store"]:
        title = f"{row['clients']} clients, {row['watches']:,} watches"
        print(f"{title:32}{cell(row['debian']):>18}{cell(row['xylem']):>12}{ratio(row['xylem'], row['debian']):>10}"
              f"{cell(row['least']):>12}{ratio(row['least'], row['debian']):>10}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=BUILD / "bench.json")
    parser.add_argument("--skip", nargs="*", default=[], choices=["native", "xen", "xylem"])
    arguments = parser.parse_args()
    try:
        results = measure([which for which in ("native", "xen", "xylem") if which not in arguments.skip])
    except (ConsoleError, MachineError) as error:
        sys.exit(f"bench: {error}")
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print_table(results)
    print_costs(results)
    print_store(results)
    print(f"the same as JSON: {arguments.out}")


if __name__ == "__main__":
    main()

"""Linux says on Xylem nothing worse than on real Xen, and loses nothing: dom0's and the guest's kernel logs, processor flags and
interrupts side by side.

Lines are compared without what differs from boot to boot: times, addresses, numbers.
"""

import difflib
import re

from tests.collect.outcome import Failure, check
from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

WARNING = 4  # the kernel's level; lower is worse
TRACE = re.compile(r"Call Trace|WARNING:|BUG:|cut here|RIP:")
# What the kernel did without, at whatever level it says so.
LOSS = re.compile(r"fail|unable|cannot|can't|could not|disabl|broken|unsupported|not supported|not available|unstable", re.I)
# The machine that QEMU runs on kept QEMU waiting, for more than a second, or while the PIT and the TSC were read in turn: it
# happens on either hypervisor.
BY_CHANCE = re.compile(r"clocksource: Long readout interval|tsc: Fast TSC calibration failed")

REPORT = """\
echo "REPORT-{who} log"
dmesg -r
echo "REPORT-{who} flags"
sed -n '/^flags/ {{ s/.*: //; p; q }}' /proc/cpuinfo
echo "REPORT-{who} interrupts"
sed '1d; s/^ *[^ ]*: *//; s/^\\([0-9]* *\\)*//' /proc/interrupts
echo "REPORT-{who} end"
"""

DOM0 = """\
step start the guest
grep -v '^extra' /etc/xen/demo.cfg > /run/log.cfg
echo 'extra = "console=hvc0 mode=demo script=report.sh"' >> /run/log.cfg
xl create /run/log.cfg
end_of demo 240
step report
console_of demo | sed -n '/^REPORT-guest log/,/^REPORT-guest end/p'
""" + REPORT.format(who="dom0")

# name -> (Xylem's processor, real Xen's, whose tools on both, dom0's processors)
VARIANTS = {
    "Haswell-noTSX": ("Haswell-noTSX", "Haswell-noTSX", "xylem", 2),
    "qemu64": ("qemu64", "qemu64", "xylem", 2),
    # Real Xen does not run there with SMAP: QEMU applies it to guests' iretq.
    "max": ("max", "max,-smap", "xylem", 2),
    # One processor: with more, Linux's netback now and then complains of packets queued before the guest chose its queues.
    "qemu64-linux-backends": ("qemu64", "qemu64", "debian", 1),
}


def section(lines, who, part):
    start = lines.index(f"REPORT-{who} {part}")
    end = next(i for i in range(start + 1, len(lines)) if lines[i].startswith(f"REPORT-{who} "))
    return lines[start + 1:end]


def normal(line):
    line = re.sub(r"^<\d+>\[ *[\d.]+\] ?", "", line)
    line = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b", "X", line)
    return re.sub(r"\d+(\.\d+)?", "N", line).strip()


def grave(lines):
    """Normalised lines that are warnings or worse, belong to a trace, or tell of a loss."""
    found = {}
    for line in lines:
        level = re.match(r"<(\d+)>", line)
        warns = level and int(level[1]) % 8 <= WARNING
        if (warns or TRACE.search(line) or LOSS.search(line)) and not BY_CHANCE.search(line):
            found.setdefault(normal(line), line)
    return found


def words(lines):
    return {word for line in lines for word in line.split()}


def names(lines):
    return {normal(line) for line in lines}


def report_of(run, hypervisor, tools, cpu, smp):
    machine = Machine(hypervisor=hypervisor, tools=tools, cpu=cpu, smp=smp)
    run_log = run.folder / f"{hypervisor}.log"
    lines = run_script(run, machine, DOM0, 420, files={"srv/www/report.sh": REPORT.format(who="guest")})
    run.log.rename(run_log)
    run.log = run_log
    return lines


def compare(run, who, ours, theirs):
    """What `who` sees on Xylem and not, or no more, on real Xen; the whole difference goes to a file."""
    difference = difflib.unified_diff([normal(line) for line in section(theirs, who, "log")],
                                      [normal(line) for line in section(ours, who, "log")], "xen", "xylem", lineterm="", n=0)
    (run.folder / f"{who}.diff").write_text("\n".join(difference) + "\n")
    known = grave(section(theirs, who, "log"))
    complaints = [f"{who} says on Xylem alone: {line}" for text, line in grave(section(ours, who, "log")).items()
                  if text not in known]
    lost_flags = words(section(theirs, who, "flags")) - words(section(ours, who, "flags"))
    complaints += [f"{who} has no processor flag {flag} on Xylem" for flag in sorted(lost_flags)]
    lost_interrupts = names(section(theirs, who, "interrupts")) - names(section(ours, who, "interrupts"))
    complaints += [f"{who} has no interrupt '{name}' on Xylem" for name in sorted(lost_interrupts)]
    return complaints


@system_test(seconds=240, variants=VARIANTS, always={"Haswell-noTSX"}, alone=True)
def nothing_worse_than_on_xen(run, cpu, xen_cpu, tools, smp):
    theirs = report_of(run, "xen", tools, xen_cpu, smp)
    ours = report_of(run, "xylem", tools, cpu, smp)
    for lines in (theirs, ours):
        check("REPORT-guest log" in lines, "the guest gave no report")
    complaints = [complaint for who in ("dom0", "guest") for complaint in compare(run, who, ours, theirs)]
    if complaints:
        raise Failure("\n".join(complaints))

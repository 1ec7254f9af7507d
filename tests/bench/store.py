"""What a transaction costs xenstored: Debian's and ours, one after the other in one boot of dom0 on real Xen."""

import re
from pathlib import Path

from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from tools.run.boot import files_for
from tools.run.machine import Machine

BUILD = Path("build")
PROGRAM = BUILD / "bench/store-load"
CLIENTS, WATCHES = (1, 10, 100), (1, 1000, 10000)

# Debian's is the one that dom0 runs with: beside another it cannot be, and without domains it dies of its first client. Ours keeps a
# store of its own beside it.
SCRIPT = """\
theirs=$(pidof xenstored)
mkdir -p /run/ours
XENSTORED_RUNDIR=/run/ours OURS/xenstored --no-domain-init --no-fork > /run/ours/log 2>&1 &
ours=$!
sleep 3
for watches in WATCHES; do
    for clients in CLIENTS; do
        ./store-load /run/xenstored/socket $theirs debian $clients $watches
        ./store-load /run/ours/socket $ours xylem $clients $watches
    done
done
"""


def machine():
    script = BUILD / "bench/store.sh"
    text = SCRIPT.replace("OURS", FOLDER_BESIDE_DEBIAN)
    for name, values in (("WATCHES", WATCHES), ("CLIENTS", CLIENTS)):
        text = text.replace(name, " ".join(map(str, values)))
    script.write_text(text)
    return Machine(hypervisor="xen", tools="debian", files=files_for(script, [PROGRAM]))


def costs(lines):
    """(clients, watches) -> {"debian": instructions, "xylem": instructions}; what is missing failed, as the log says"""
    found = {}
    for match in (re.match(r"STORE (\w+) (\d+) (\d+) (\d+)$", line) for line in lines):
        if match:
            found.setdefault((int(match[2]), int(match[3])), {})[match[1]] = int(match[4])
    return {cell: both for cell, both in found.items() if len(both) == 2}

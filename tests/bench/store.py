"""What a transaction costs xenstored: Debian's and ours, one after the other in one boot of dom0 on real Xen.

Beside them the least that any daemon could come to: one that answers at once, without a store (store_echo.c).
"""

import re
from pathlib import Path

from dom0.image.build_dom0 import FOLDER_BESIDE_DEBIAN
from tools.run.boot import files_for
from tools.run.machine import Machine

BUILD = Path("build")
PROGRAMS = [BUILD / "bench/store-load", BUILD / "bench/store_echo"]
CLIENTS, WATCHES = (1, 10, 100), (1, 1000, 10000)

# Debian's is the one that dom0 runs with: beside another it cannot be, and without domains it dies of its first client. Ours keeps a
# store of its own beside it.
SCRIPT = """\
theirs=$(pidof xenstored)
mkdir -p /run/ours
XENSTORED_RUNDIR=/run/ours OURS/xenstored --no-domain-init --no-fork > /run/ours/log 2>&1 &
ours=$!
./store_echo /run/ours/echo &
echo=$!
sleep 3
for clients in CLIENTS; do
    ./store-load /run/ours/echo $echo least $clients 1
done
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
    return Machine(hypervisor="xen", tools="debian", files=files_for(script, PROGRAMS))


def costs(lines):
    """A row for each number of clients and watches: what a transaction costs Debian's, ours, and at least.

    A row of which anything is missing is left out; the log says what failed.
    """
    found = {}
    for match in (re.match(r"STORE (\w+) (\d+) (\d+) (\d+)$", line) for line in lines):
        if match:
            found[match[1], int(match[2]), int(match[3])] = int(match[4])
    rows = []
    for watches in WATCHES:
        for clients in CLIENTS:
            cells = [found.get(key) for key in (("debian", clients, watches), ("xylem", clients, watches), ("least", clients, 1))]
            if None not in cells:
                rows.append({"clients": clients, "watches": watches, **dict(zip(("debian", "xylem", "least"), cells))})
    return rows

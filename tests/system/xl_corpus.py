"""What the corpus of configurations has on record for Debian's xl is what Debian's xl says, on real Xen with two processors.

The unit test of xl holds ours to the same record.
"""

from pathlib import Path

from tests.collect.script import run_script
from tests.collect.system import system_test
from tools.run.machine import Machine

CORPUS = Path("tests/unit/xl/corpus")

SCRIPT = """\
cd /rig/corpus
differ=0
for file in *.cfg; do
    name=${file%.cfg}
    if said=$(xl create -n "$file" 2>/dev/null); then
        [ -f "$name.json" ] && [ "$said" = "$(cat "$name.json")" ] && continue
    else
        [ -f "$name.json" ] || continue
    fi
    echo "DIFFERS $name"
    differ=$((differ + 1))
done
expect "configurations that differ from the record" 0 $differ
"""


@system_test(seconds=400, always=False)
def debians_xl_agrees(run):
    files = {f"rig/corpus/{path.name}": path.read_bytes() for path in sorted(CORPUS.iterdir())}
    run_script(run, Machine(hypervisor="xen", tools="debian"), SCRIPT, 900, files)

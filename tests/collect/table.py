"""The results of a run as a table in Markdown: a row for each job, and the sum."""

from collections import Counter
from datetime import date

from tests.collect.outcome import Verdict

HEAD = "| test | passed | failed | skipped | seconds |\n| --- | ---: | ---: | ---: | ---: |\n"


def row(name, counts, seconds):
    return f"| {name} | " + " | ".join(str(counts[verdict]) for verdict in Verdict) + f" | {seconds:.0f} |\n"


def write(path, results, seconds):
    """`results`: for each job its name, its outcomes and how long it took; `seconds`: how long all took (tests/run.py)."""
    total = Counter()
    rows = []
    for name, outcomes, took in sorted(results, key=lambda result: result[0]):
        counts = Counter(outcome.verdict for outcome in outcomes)
        total.update(counts)
        rows.append(row(name, counts, took))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"Run on {date.today().isoformat()}.\n\n" + HEAD + "".join(rows) + row("**all**", total, seconds), encoding="utf-8")

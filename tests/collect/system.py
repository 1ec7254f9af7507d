"""System tests: functions that boot machines in QEMU, and say by Failure what they found wrong.

A module in tests/system/ registers each with @system_test; a function with `variants` is registered once for each.
"""

import importlib
import shutil
import traceback
from pathlib import Path

from tests.collect.job import Job
from tests.collect.outcome import Failure, Outcome, Skip, Verdict
from tools.run.console import Console, ConsoleError
from tools.run.machine import MachineError

LOGS = Path("build/logs/system")

_registered = []


class Run:
    """What a system test works with: a place for its logs, and machines to boot."""

    def __init__(self, name):
        self.name = name
        self.folder = LOGS / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.log = self.folder / "console.log"

    def boot(self, machine, seconds, log=None):
        """A Console of the machine, for a `with`; `seconds` bound the whole run."""
        self.log = self.folder / (log or "console.log")
        if machine.idle_scrub is None:
            machine.idle_scrub = False  # it keeps a processor of the host busy, and takes all of the machine's memory of it
        return Console(machine, self.log, seconds)


def system_test(seconds, always=True, variants=None, alone=False):
    """Registers a test of about `seconds`. `variants`: name -> arguments, each a test of its own.

    `always` False, or a set of variant names that leaves some out, keeps a test for `make test-all`.
    `alone`: for a test that time must not stand still in; no other runs beside it.
    """
    def register(function):
        base = f"{function.__module__.removeprefix('tests.system.')}/{function.__name__}"
        for variant, arguments in (variants or {"": ()}).items():
            name = f"{base}[{variant}]" if variant else base
            often = variant in always if isinstance(always, (set, frozenset)) else always
            job = Job(f"system/{name}", lambda n=name, a=arguments: run_test(n, function, a), seconds, often, alone)
            _registered.append(job)
        return function
    return register


def run_test(name, function, arguments):
    run = Run(name)
    full_name = f"system/{name}"
    try:
        function(run, *arguments)
    except Skip as skip:
        return [Outcome(full_name, Verdict.SKIPPED, str(skip))]
    except (Failure, ConsoleError, MachineError) as failure:
        return [Outcome(full_name, Verdict.FAILED, str(failure), run.log)]
    except Exception:
        return [Outcome(full_name, Verdict.FAILED, traceback.format_exc(), run.log)]
    return [Outcome(full_name, Verdict.PASSED)]


def jobs():
    for module in sorted(Path("tests/system").glob("*.py")):
        importlib.import_module(f"tests.system.{module.stem}")
    return list(_registered)

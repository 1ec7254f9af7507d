"""The demo on each square: whose hypervisor, whose tools; and on the machines that it must run on."""

import re

from dom0.image.services import PARTS
from tests.collect.outcome import check
from tests.collect.squares import SQUARES
from tests.collect.system import system_test
from tools.run.demo import run_demo
from tools.run.machine import Machine


def demo(run, machine):
    """Runs the demo with a word of ours, and checks the digest that it prints."""
    with run.boot(machine, 600) as console:
        digest = run_demo(console, "token=system-test")
    check(re.fullmatch("[0-9a-f]{64}", digest or ""), f"GUEST-CMDLINE-SHA256 is '{digest}'")


@system_test(seconds=90, variants=SQUARES, always={"xylem-on-xen", "debian-on-xylem", "xylem-on-xylem"})
def square(run, hypervisor, tools):
    demo(run, Machine(hypervisor=hypervisor, tools=tools))


@system_test(seconds=90, variants={part: (part,) for part in PARTS}, always=False)
def one_of_ours_among_debians(run, part):
    """On real Xen, each of ours in the place of Debian's, alone."""
    demo(run, Machine(hypervisor="xen", tools="debian", ours=(part,)))

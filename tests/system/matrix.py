"""The demo of the product, Xylem's tools on Xylem, on every machine it must run on; a pairwise sample for every change."""

import itertools

from tests.collect.pairwise import sample
from tests.collect.system import system_test
from tests.system.demo import demo
from tools.run.machine import Machine

CHOICES = {
    "boot": ["iso", "kernel"],
    "cpu": ["qemu64", "Haswell-noTSX", "max"],
    "smp": [1, 2, 4],
    "mem": ["768M", "2G", "6G"],
    "machine": ["pc", "q35"],
}
SEED = 417


def name_of(row):
    return ",".join(str(value) for value in row.values())


ROWS = {name_of(row): (row,) for row in (dict(zip(CHOICES, values)) for values in itertools.product(*CHOICES.values()))}
SAMPLE = {name_of(row) for row in sample(CHOICES, SEED)}


@system_test(seconds=90, variants=ROWS, always=SAMPLE)
def machine(run, row):
    demo(run, Machine(hypervisor="xylem", tools="xylem", **row))

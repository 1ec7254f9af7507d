"""A job: what one of the two workers takes at a time. It comes to one outcome, or to many (a unit test's cases)."""

from dataclasses import dataclass
from typing import Callable

from tests.collect.outcome import Outcome


@dataclass
class Job:
    name: str
    run: Callable[[], list[Outcome]]
    seconds: float = 60         # about how long it takes: long ones start first
    always: bool = True         # part of `make test`; the rest of `make test-all` only
    alone: bool = False         # it watches how time passes: nothing else runs beside it

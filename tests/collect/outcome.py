"""What a test can come to, and how a test says so."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Verdict(Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass
class Outcome:
    name: str
    verdict: Verdict
    reason: str = ""
    log: Path | None = None     # shown in part when the test failed


class Failure(Exception):
    """A test found what it should not have."""


class Skip(Exception):
    """This machine cannot tell: the reason says what is missing."""


def check(condition, complaint):
    if not condition:
        raise Failure(complaint)

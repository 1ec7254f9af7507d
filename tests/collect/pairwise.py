"""A small sample of a table of choices in which every two values of different choices meet at least once."""

import itertools
import random

TRIES = 40  # random rows tried for each row taken


def sample(choices, seed, allowed=lambda row: True):
    """Rows (dictionaries) from `choices` (name -> values), the same for the same seed; only `allowed` ones."""
    chance = random.Random(seed)
    names = list(choices)
    possible = [dict(zip(names, row)) for row in itertools.product(*choices.values())]
    possible = [row for row in possible if allowed(row)]
    missing = {pair for row in possible for pair in pairs(row)}
    rows = []
    while missing:
        tried = chance.sample(possible, min(TRIES, len(possible)))
        tried += [row for row in possible if next(iter(sorted(missing))) in pairs(row)][:1]
        best = max(tried, key=lambda row: len(pairs(row) & missing))
        rows.append(best)
        missing -= pairs(best)
    return rows


def pairs(row):
    return set(itertools.combinations(sorted((name, str(value)) for name, value in row.items()), 2))

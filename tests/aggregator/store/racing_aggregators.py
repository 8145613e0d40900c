"""
Let two aggregators get the same batches at the same time, in another order each, and judge the same windows.

Run as a program: URL or -, data directory. Prints a line for each: what it stored, and the windows that it was the one
to judge. They are forked before any connection is made, and begin when both are there.
"""

from __future__ import annotations

import json
import os
import random
import sys
from contextlib import closing
from pathlib import Path

from keeping import START, batch

from aggregator.store.store import Store
from aggregator.store.values import Outcome

BATCHES = 200
GROUP = 10
WINDOWS = 40


def main(url: str, data_dir: str) -> None:
    """Start both, then let them go by closing what they listen to."""
    starting, gun = os.pipe()
    racers = []
    for seed in (1, 2):
        racers.append(os.fork())
        if racers[-1] == 0:
            os.close(gun)
            os.read(starting, 1)
            race(None if url == "-" else url, Path(data_dir), seed)
            os._exit(0)
    os.close(gun)
    for racer in racers:
        os.waitpid(racer, 0)


def race(url: str | None, data_dir: Path, seed: int) -> None:
    """Add in an order of one's own, then judge."""
    numbers = range(1, BATCHES + 1)
    came = [batch(number, node=f"node-{number % 5}", number=number % WINDOWS) for number in numbers]
    random.Random(seed).shuffle(came)  # noqa: S311 - an order, not a secret
    groups = [came[first : first + GROUP] for first in range(0, BATCHES, GROUP)]
    with closing(Store.open(url, data_dir)) as store:
        outcomes = [outcome for group in groups for outcome in store.add(group)]
        stored = [one.key.sequence for one, outcome in zip(came, outcomes, strict=True) if outcome is Outcome.STORED]
        judged = [number for number, kept in enumerate(store.windows()) if store.mark_judged(kept.window, START)]
    told = {"stored": stored, "judged": judged, "outcomes": sorted(set(outcomes))}
    # In one write: the other one tells at the same time.
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

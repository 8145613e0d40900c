"""
Add the same batches as another process at the same time, and judge the same windows.

Run as a program: URL or -, data directory, seed. Begins with a line on standard input; prints what it stored, and the
windows that it was the one to judge.
"""

from __future__ import annotations

import json
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


def main(url: str, data_dir: str, seed: int) -> None:
    """Add in an order of one's own, then judge."""
    came = [
        batch(sequence, node=f"node-{sequence % 5}", number=sequence % WINDOWS) for sequence in range(1, BATCHES + 1)
    ]
    random.Random(seed).shuffle(came)  # noqa: S311 - an order, not a secret
    groups = [came[first : first + GROUP] for first in range(0, BATCHES, GROUP)]
    tell("ready")
    sys.stdin.readline()
    with closing(Store.open(None if url == "-" else url, Path(data_dir))) as store:
        outcomes = [outcome for group in groups for outcome in store.add(group)]
        stored = [one.key.sequence for one, outcome in zip(came, outcomes, strict=True) if outcome is Outcome.STORED]
        judged = [number for number, kept in enumerate(store.windows()) if store.mark_judged(kept.window, START)]
    tell(json.dumps({"stored": stored, "judged": judged, "outcomes": sorted(set(outcomes))}))


def tell(line: str) -> None:
    """Say a line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

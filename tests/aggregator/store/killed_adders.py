"""
Add batches in one process after the other, and kill each at a random moment.

Run as a program: URL or -, data directory, how many, seed. Prints the key of each batch that was acknowledged, one JSON
array a line. The processes are forked, before any connection is made: so a hundred of them take seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from keeping import batch

from aggregator.store.store import Store
from aggregator.store.values import Outcome

BATCH_BYTES = 10_000


def main(url: str, data_dir: str, kills: int, seed: int) -> None:
    """Let as many processes add as are to be killed; the first one lives until it has added something."""
    moments = random.Random(seed)  # noqa: S311 - to be had again
    longest_s = None
    for number in range(kills):
        began = time.monotonic()
        heard, told = os.pipe()
        child = os.fork()
        if child == 0:
            add_until_killed(None if url == "-" else url, Path(data_dir), f"boot-{number}", told)
        if longest_s is None:
            os.read(heard, 1)
            # So that the others are killed as they open the store, or as they add.
            longest_s = 2 * (time.monotonic() - began)
        else:
            time.sleep(moments.uniform(0, longest_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        os.close(told)


def add_until_killed(url: str | None, data_dir: Path, boot: str, told: int) -> None:
    """Add batches in groups, and tell of each group once it is acknowledged, of the first by `told`; for ever."""
    store = Store.open(url, data_dir)
    sequence = 1
    sizes = random.Random(boot)  # noqa: S311 - "
    while True:
        came = [
            batch(number, boot=boot, number=number % 7, body=os.urandom(8) * (BATCH_BYTES // 8))
            for number in range(sequence, sequence + sizes.randint(1, 20))
        ]
        assert set(store.add(came)) == {Outcome.STORED}
        # One write each, so that what is told is told as a whole: a pipe takes 4096 bytes at once.
        os.write(1, b"".join(json.dumps([one.key.boot, one.key.sequence]).encode() + b"\n" for one in came))
        if sequence == 1:
            os.write(told, b".")
        sequence += len(came)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

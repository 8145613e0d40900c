"""
Fill a disk of a few megabytes with batches, then make room, in a mount namespace of its own.

Run as a program by `unshare --mount`: a folder to mount disks on, and how much each store leaves free. Prints for each,
as JSON on one line, what was acknowledged, how the store refused, and what was found in the end.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from keeping import batch, everything, window

from aggregator.store.faults import StoreFull
from aggregator.store.store import Store

DISK = "6m"
BALLAST_BYTES = 1 << 20


def main(folder: Path, spare_bytes: int) -> None:
    """Fill, be refused, make room, go on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)], check=True)
    (folder / "ballast").write_bytes(bytes(BALLAST_BYTES))
    store = Store.open(None, folder, spare_bytes=spare_bytes)
    acknowledged, refusal = filled(store, 1)
    refused_again = is_refused(store, acknowledged + 1)
    kept_at_full = len(everything(store))
    # Somebody else makes room.
    (folder / "ballast").unlink()
    more, _ = filled(store, acknowledged + 1)
    # With room to spare, retention makes some by itself.
    forgotten = None
    if spare_bytes:
        forgotten = store.forget(keep_s=0, keep_bytes=None, now=window(1).end + timedelta(seconds=1)).batches
        more += filled(store, acknowledged + more + 1)[0]
    found = [one.key.sequence for one in everything(store)]
    store.close()
    with sqlite3.connect(folder / "kinwatch.db") as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    told = {
        "acknowledged": acknowledged,
        "refusal": [refusal.problem, refusal.remedy],
        "refused_again": refused_again,
        "kept_at_full": kept_at_full,
        "more": more,
        "forgotten": forgotten,
        "last": max(found),
        "found": len(found),
        "integrity": integrity,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def filled(store: Store, first: int) -> tuple[int, StoreFull]:
    """Add batches one by one until there is no room; how many were acknowledged. The first hundred are of window 1."""
    sequence = first
    while True:
        try:
            store.add([batch(sequence, number=1 if sequence <= 100 else 2, body=os.urandom(10_000))])
        except StoreFull as refusal:
            return sequence - first, refusal
        sequence += 1


def is_refused(store: Store, sequence: int) -> bool:
    """Whether the store is still full."""
    try:
        store.add([batch(sequence, number=2, body=os.urandom(10_000))])
    except StoreFull:
        return True
    return False


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        main(Path(sys.argv[1]), int(argument))

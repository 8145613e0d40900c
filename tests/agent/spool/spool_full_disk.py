"""
Fill a disk under a spool, and tell what happened as one JSON object. Run in a mount namespace of its own.

Run as `spool_full_disk.py FOLDER`; mounts a tmpfs of 512 KiB there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent.spool import Record, Spool, SpoolLimits, SpoolState, Ticket

DISK_BYTES = 512 << 10
BATCH = b"b" * 5000
NOW_S = 1e9
LIMITS = SpoolLimits(held_bytes=50_000)
"""256 MiB: the disk is full long before."""


def opened(folder: Path) -> Spool:
    return Spool.open(folder / "spool", limits=LIMITS, boot="boot", now_s=NOW_S)


def append(spool: Spool) -> Ticket:
    tickets: list[Ticket] = []

    def batch(ticket: Ticket) -> bytes:
        tickets.append(ticket)
        return BATCH

    spool.append(batch, until_s=NOW_S, now_s=NOW_S)
    return tickets[-1]


def take(spool: Spool, count: int) -> list[Record]:
    taken = []
    while len(taken) < count and (record := spool.oldest()):
        taken.append(record)
        spool.acknowledge(record)
    return taken


def shown(state: SpoolState) -> dict[str, Any]:
    return {
        "unwritable": state.unwritable,
        "records": state.records,
        "held": state.held.batches,
        "held_bytes": state.held.bytes,
        "dropped": state.dropped.unwritable.batches,
        "dropped_otherwise": (state.dropped.total - state.dropped.unwritable).batches,
    }


def scenario(folder: Path) -> dict[str, Any]:
    spool = opened(folder)
    neighbour = folder / "neighbour"
    neighbour.write_bytes(bytes(DISK_BYTES // 2))
    tickets = [append(spool) for _ in range(100)]
    full = shown(spool.state(now_s=NOW_S))
    delivered = take(spool, 5)
    still_full = shown(spool.state(now_s=NOW_S))
    spool.close()
    restarted = opened(folder)
    at_restart = shown(restarted.state(now_s=NOW_S))
    incarnations = {spool.incarnation, restarted.incarnation}
    tickets.append(append(restarted))
    neighbour.unlink()
    tickets.append(append(restarted))
    mended = shown(restarted.state(now_s=NOW_S))
    delivered += take(restarted, 200)
    tickets.append(append(restarted))
    delivered += take(restarted, 200)
    restarted.close()
    carried = {ticket.sequence: ticket.dropped.total.batches for ticket in tickets}
    return {
        "full": full,
        "still_full": still_full,
        "at_restart": at_restart,
        "mended": mended,
        "incarnations": len(incarnations),
        "appended": len(tickets),
        "delivered": [record.sequence for record in delivered],
        "told": sum(carried[record.sequence] for record in delivered),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place], check=True)
    print(json.dumps(scenario(place)))  # noqa: T201

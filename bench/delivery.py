"""
Whether anything is lost, doubled or disordered on its way: aggregators that are away, kills, full disks.

Flow: delivery_away, delivery_kills, delivery_full -> **delivery** -> report. A real aggregator over TLS on loopback;
agents that make windows up and ship them as the real one does, and the real one too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import machine, options
from bench.delivery_away import away
from bench.delivery_full import agent_full, aggregator_full
from bench.delivery_kills import kills, real_kills
from bench.report import Report
from bench.scenario import Scenario

KILLS: Final = 100
REAL_KILLS: Final = 5
SEED: Final = 1
COLUMNS: Final = ("what happens", "windows closed", "arrived", "told as lost", "seconds")


def bench(given: argparse.Namespace) -> Report:
    """Have all of it happen, one after the other."""
    described = machine.described()
    found: list[Scenario] = []
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as temporary:
        for number, scenario in enumerate(
            (
                away,
                lambda folder: kills(folder, number=given.kills, seed=given.seed),
                lambda folder: real_kills(folder, number=given.real_kills, seed=given.seed),
                agent_full,
                aggregator_full,
            )
        ):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            found.append(scenario(folder))
            sys.stderr.write(f"{found[-1].what}: {'as it should be' if found[-1].met else 'NOT as it should be'}\n")
    return Report(
        name="delivery",
        columns=COLUMNS,
        rows=[one.row() for one in found],
        bars=[bar for one in found for bar in one.bars],
        machine=described,
        notes=[f"Moments of kills by --seed {given.seed}. Told as lost: windows, or batches where a disk was full."],
    )


def main() -> int:
    """The exit code."""
    parser = options.parser("delivery", __doc__ or "")
    parser.add_argument("--kills", type=int, default=KILLS, help=f"SIGKILLs of each side at least; default: {KILLS}")
    parser.add_argument("--real-kills", type=int, default=REAL_KILLS, help=f"of the real agent; default: {REAL_KILLS}")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random moments")
    return options.run(parser, bench)


if __name__ == "__main__":
    sys.exit(main())

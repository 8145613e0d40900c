"""
The options that all benches have, and how a bench ends.

Flow: around each bench.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bench.report import Report, conclude
from kinwatch.command_line import exit_code_of
from kinwatch.errors import NodeError

INTERRUPTED = 128


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that all have."""
    parser = argparse.ArgumentParser(prog=f"make bench-{name}", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, and every sample, to FILE")
    parser.add_argument("--record", action="store_true", help="write the table into docs/performance.md")
    return parser


def run(parser: argparse.ArgumentParser, bench: Callable[[argparse.Namespace], Report]) -> int:
    """Run a bench under signals that clean up; gives the exit code: 1 for a bar not met, 3 where this node can't."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options = parser.parse_args()

    def job() -> int:
        _require_root()
        return conclude(bench(options), json_to=options.json, record=options.record)

    return exit_code_of(job)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise NodeError("BPF programs can be loaded by root only", remedy="run it as root, for example by sudo")


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """Leave by the way on which everything is cleaned up."""
    sys.exit(INTERRUPTED + number)

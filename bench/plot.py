"""
Draw what bench-capture measured: `python -m bench.plot FIGURES.json PICTURE.svg`.

Flow: report (JSON) -> **plot**. By matplotlib, which `make bench-capture` installs besides (bench/requirements.lock).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench import machine

LEFT_OUT = ("bare", "strace -f -c")
"""Nothing to show, and a thousand times more than all others."""
CALLS = {"getpid_ns": "getpid", "file_ns": "open+read+close of one file"}


def added_ns(figures: dict[str, Any], key: str) -> dict[str, list[float]]:
    """Configuration → what it added to the bare loop in each round, in nanoseconds."""
    added: dict[str, list[float]] = {}
    for one_round in figures["raw"]["rounds"]:
        bare = next(one[key] for one in one_round if one["name"] == "bare")
        for one in one_round:
            if one["name"] not in LEFT_OUT:
                added.setdefault(one["name"], []).append(one[key] - bare)
    return added


def draw(figures: dict[str, Any], picture: Path) -> None:
    """A panel for each kind of call, a row for each configuration: its rounds as points, their median as a line."""
    mpl.rcParams["svg.hashsalt"] = "kinwatch"  # the same figures give the same file
    figure, axes = plt.subplots(1, len(CALLS), figsize=(10, 3), sharey=True, layout="constrained")
    for axis, (key, title) in zip(axes, CALLS.items(), strict=True):
        added = added_ns(figures, key)
        names = sorted(added, reverse=True)
        _rows(axis, [added[name] for name in names])
        axis.set_yticks(range(1, len(names) + 1), names)
        axis.set_title(title)
        axis.set_xlabel("nanoseconds added")
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
    picture.parent.mkdir(exist_ok=True)
    figure.savefig(picture, metadata={"Date": None})


def _rows(axis: Any, rows: Sequence[Sequence[float]]) -> None:
    for at, values in enumerate(rows, start=1):
        axis.plot(values, [at] * len(values), "o", alpha=0.4, color="tab:blue")
    axis.boxplot(rows, orientation="horizontal", showcaps=False, showfliers=False, showbox=False, whis=0)


def main() -> None:
    """Read, draw."""
    parser = argparse.ArgumentParser(description="Draw what bench-capture measured.")
    parser.add_argument("figures", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    figures = json.loads(options.figures.read_text())
    if not machine.busy(figures["machine"]):
        draw(figures, options.picture)


if __name__ == "__main__":
    main()

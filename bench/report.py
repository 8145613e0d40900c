"""
Tell what was measured: on the terminal, as JSON, and in docs/performance.md.

Flow: benches -> **report**. A table of figures, the bars beside them, and the machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.bars import Bar, figure
from kinwatch.errors import InputError

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs/performance.md"

Cell = str | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one bench found."""

    name: str
    """Of the make target without `bench-`; also of the markers in the document."""
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    bars: Sequence[Bar]
    machine: Mapping[str, str]
    notes: Sequence[str] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    """For the JSON only: every sample."""

    @property
    def met(self) -> bool:
        """Whether all bars are met."""
        return all(bar.met for bar in self.bars)

    def show(self) -> None:
        """Print it."""
        console = Console()
        for title, columns, rows in self._tables():
            table = Table(*columns, title=title or None, title_justify="left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for note in (*self.notes, self._machine_line()):
            console.print(note, markup=False, highlight=False)

    def markdown(self) -> str:
        """The same for the document."""
        parts = [_markdown_table(columns, rows) for _, columns, rows in self._tables()]
        return "\n\n".join([*parts, *self.notes, self._machine_line()])

    def as_json(self) -> str:
        """The same for a program."""
        bars = [{"what": bar.what, "measured": bar.measured, "bar": bar.limit, "met": bar.met} for bar in self.bars]
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        whole = {"bench": self.name, "machine": dict(self.machine), "rows": rows, "bars": bars, "raw": dict(self.raw)}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

    def _tables(self) -> list[tuple[str, Sequence[str], list[list[str]]]]:
        figures = [[_cell(cell) for cell in row] for row in self.rows]
        bars = [[bar.what, figure(bar.measured), bar.limit, bar.verdict] for bar in self.bars]
        return [(f"bench-{self.name}", self.columns, figures), ("", ("what", "measured", "bar", ""), bars)]

    def _machine_line(self) -> str:
        said = "; ".join(f"{key} {value}" for key, value in self.machine.items())
        return f"Machine: {said}."


def _cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else figure(cell)


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replaced(document: str, name: str, text: str) -> str:
    """The document with `text` between the markers of a bench; InputError if it has none."""
    begin, end = f"<!-- bench-{name} -->", f"<!-- end of bench-{name} -->"
    if begin not in document or end not in document:
        raise InputError(
            f"{DOCUMENT} lacks the markers {begin} and {end}", remedy="put both where the table is to stand"
        )
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", document)


def conclude(report: Report, *, json_to: Path | None, record: bool) -> int:
    """Show a report and keep it where asked; gives the exit code, 1 if a bar is not met."""
    report.show()
    if json_to:
        json_to.write_text(report.as_json(), encoding="utf-8")
    if record:
        _record(report)
    return 0 if report.met else 1


def _record(report: Report) -> None:
    if machine.busy(report.machine):
        sys.stderr.write(f"{DOCUMENT.name} is left as it is: the machine was busy with other work\n")
        return
    DOCUMENT.write_text(
        replaced(DOCUMENT.read_text(encoding="utf-8"), report.name, report.markdown()), encoding="utf-8"
    )

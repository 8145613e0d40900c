"""
Show what was found, to a person or to a program.

Flow: every family of checks -> **report**.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.doctor.finding import Finding, Outcome
from kinwatch.printable import printable

STYLES: Final = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


def show(findings: Sequence[Finding], console: Console) -> None:
    """A table, and one line that sums it up."""
    table = Table(expand=True, show_lines=False)
    table.add_column("check", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("what was found, why it matters, what would mend it", ratio=1, overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.check), Text(_word(finding), style=STYLES[finding.outcome]), _words(finding))
    console.print(table)
    console.print(Text(summary(findings)))


def _word(finding: Finding) -> str:
    return f"{finding.outcome.value} (fatal)" if finding.stops else finding.outcome.value


def _words(finding: Finding) -> Text:
    words = Text.assemble(printable(finding.found), "\n", (f"why: {finding.why}", "dim"))
    return words.append(f"\nremedy: {printable(finding.remedy)}", "bold") if finding.remedy else words


def summary(findings: Sequence[Finding]) -> str:
    """How many of each outcome there are, and what it comes to."""
    counts = Counter(finding.outcome for finding in findings)
    numbers = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    if any(finding.stops for finding in findings):
        return f"{numbers}: the agent can't run here."
    if counts[Outcome.FAILED]:
        return f"{numbers}: the agent runs here, and something that it is there for does not work."
    return f"{numbers}: the agent can run here."


def as_json(findings: Sequence[Finding], *, exit_code: int) -> str:
    """One JSON object, in ASCII, on lines of its own."""
    return json.dumps({"exit_code": exit_code, "findings": [asdict(finding) for finding in findings]}, indent=2)

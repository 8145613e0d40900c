"""
Show verdicts as a person would like to read them: the verdict, who, how far, and what sets them apart.

Flow: judge -> **table**. Text from containers is put into rich's Text, which knows no markup, and made printable first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from aggregator.verdict import Cohort, Difference, Mark, Outcome, ReplicaVerdict, Span, Sweep, Verdict, short_name
from kinwatch.aspects import Aspect
from kinwatch.printable import printable

MARKS_SHOWN = 6
"""Features shown per aspect and side; the others are counted."""

LONGEST_VALUE = 100
"""Characters shown of a feature; JSON has them all."""

EMPTY = '""'
"""How the empty text is shown."""

STYLES: Mapping[Outcome, str] = {
    Outcome.NORMAL: "bold green",
    Outcome.ANOMALOUS: "bold red",
    Outcome.INCONCLUSIVE: "bold yellow",
}
ODD_STYLE = "bold red"
INDENT = (0, 0, 0, 2)


def print_verdicts(verdicts: Iterable[Verdict], console: Console) -> None:
    """Print each verdict and, after several, how many of each kind there were."""
    counts: Counter[Outcome] = Counter()
    for verdict in verdicts:
        print_verdict(verdict, console)
        counts[verdict.outcome] += 1
    if counts.total() > 1:
        console.print(Text(_summary(counts)))


def _summary(counts: Counter[Outcome]) -> str:
    parts = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]]
    return f"{counts.total()} verdicts: {', '.join(parts)}"


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print one verdict: headline, reason, replicas, and the evidence for each odd one."""
    console.print(_headline(verdict))
    console.print(_indented(Text(printable(verdict.reason))))
    console.print(_indented(Text(f"from {printable(verdict.source)}", style="dim")))
    if verdict.replicas:
        console.print(_indented(_replicas(verdict.replicas)))
    for replica in verdict.replicas:
        if replica.anomalous:
            console.print(_indented(_evidence_title(replica, kin=verdict.compared - 1)))
            console.print(_indented(_evidence(replica)))
    console.print()


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, INDENT, expand=False)


def _headline(verdict: Verdict) -> Text:
    return Text.assemble(
        (verdict.outcome.value.upper(), STYLES[verdict.outcome]),
        "  ",
        (printable(cohort_name(verdict.cohort)), "bold"),
        f"  {printable(span_text(verdict.window))}",
    )


def cohort_name(cohort: Cohort) -> str:
    """A cohort in one phrase: namespace/kind/name, revision, container, as far as they are known."""
    name = "/".join(part for part in (cohort.namespace, cohort.kind, cohort.name) if part) or "unknown workload"
    revision = f" at {cohort.revision}" if cohort.revision else ""
    return name + revision + (f" ({cohort.container})" if cohort.container else "")


def span_text(window: Span) -> str:
    """A window in one phrase."""
    if window.start is None:
        return "at an unknown time"
    return f"{window.start}" + (f" for {window.seconds:.3g} s" if window.seconds is not None else "")


# --- replicas -------------------------------------------------------------------------------------------------------


def _replicas(replicas: Sequence[ReplicaVerdict]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("replica", overflow="fold")
    table.add_column("distance", justify="right")
    table.add_column("")
    for replica in sorted(replicas, key=_farthest_first):
        table.add_row(*_row(replica), style=ODD_STYLE if replica.anomalous else None)
    return table


def _farthest_first(replica: ReplicaVerdict) -> tuple[bool, float]:
    return (not replica.anomalous, -(replica.distance if replica.distance is not None else -1.0))


def _row(replica: ReplicaVerdict) -> tuple[Text, Text, Text]:
    distance = "-" if replica.distance is None else f"{replica.distance:.4f}"
    remark = "<- anomalous" if replica.anomalous else ""
    return Text(printable(short_name(replica.replica))), Text(distance), Text(remark)


# --- evidence -------------------------------------------------------------------------------------------------------


def _evidence_title(replica: ReplicaVerdict, *, kin: int) -> Text:
    name = printable(short_name(replica.replica))
    return Text(f"What sets {name} apart (how many of {kin} others have it)", style="bold")


def _evidence(replica: ReplicaVerdict) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("aspect", no_wrap=True)
    table.add_column("only here", overflow="fold", ratio=2)
    table.add_column("missing here", overflow="fold", ratio=1)
    for aspect, difference in _most_different_first(replica):
        table.add_row(Text(aspect), _marks(difference.only_here), _marks(difference.missing_here))
    return table


def _most_different_first(replica: ReplicaVerdict) -> list[tuple[Aspect, Difference]]:
    return sorted(replica.evidence.items(), key=lambda item: -replica.dissimilarity[item[0]])


def _marks(marks: Sequence[Mark]) -> Text:
    lines = [f"{_shortened(printable(mark.value)) or EMPTY} ({mark.kin})" for mark in marks[:MARKS_SHOWN]]
    if len(marks) > MARKS_SHOWN:
        lines.append(f"… and {len(marks) - MARKS_SHOWN} more")
    return Text("\n".join(lines))


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


# --- sweep ----------------------------------------------------------------------------------------------------------


def print_sweep(sweep: Sweep, console: Console) -> None:
    """Print the published table: anomalous snapshots at each threshold."""
    console.print(Text(f"{sweep.profile}: {sweep.snapshots} snapshots, {sweep.inconclusive} of them inconclusive"))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("threshold", justify="right")
    table.add_column("anomalous", justify="right")
    for threshold, anomalous in sweep.anomalous:
        table.add_row(f"{threshold:.1f}", f"{anomalous} of {sweep.snapshots - sweep.inconclusive}")
    console.print(table)

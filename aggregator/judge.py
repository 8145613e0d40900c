"""
Say of a cohort in one window whether it is normal, and which replicas are not.

Flow: score -> **judge** -> show. Two rules: `published_ruling` is ReplicaWatcher's, `kin_ruling` names the odd one out.
Both are arithmetic on distances; a rule is given the replicas to compare and never looks at their features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from aggregator.likeness import Likeness, others
from aggregator.verdict import Gathering, Observation, Outcome, Ruling, short_name

FEWEST = 2
"""Replicas that a comparison takes."""

PAIR = 2
"""Of two that differ nobody can tell which is the odd one."""

STANDS_APART = 1.5
"""
How much farther from its kin than they are from one another (median) an odd one is. Half as far again tells one
attacked replica from its kin even when those are restless, and leaves a cohort of two equal halves undecided.
"""

NAMES_LISTED = 5
"""Replicas that a reason names; the verdict has them all."""

ENOUGH_OF_A_WINDOW = 0.5
"""Share of the window for which a replica must have been watched to be compared: a new one has done less."""


def inconclusive(reason: str) -> Ruling:
    """The ruling where nothing can be said."""
    return Ruling(outcome=Outcome.INCONCLUSIVE, reason=reason, kin={})


def too_few(count: int, *, among: int) -> Ruling:
    """The ruling where there are no kin to compare with."""
    if count == among == 1:
        return inconclusive("one replica alone has no kin to be compared with")
    return inconclusive(f"{count} of {among} replicas can be compared, and it takes {FEWEST}")


def listed(replicas: Iterable[int], names: Sequence[str]) -> str:
    """The names of some replicas in one phrase."""
    known = [names[replica] for replica in sorted(replicas)]
    more = f" and {len(known) - NAMES_LISTED} more" if len(known) > NAMES_LISTED else ""
    return ", ".join(known[:NAMES_LISTED]) + more


# --- who is compared ------------------------------------------------------------------------------------------------


def set_aside(gathering: Gathering) -> dict[int, str]:
    """The replicas that are not compared in the kinwatch profile, each with the reason."""
    reasons = {
        index: _why_not(observation, gathering.window.seconds)
        for index, observation in enumerate(gathering.observations)
    }
    return {index: reason for index, reason in reasons.items() if reason is not None}


def _why_not(observation: Observation, seconds: float | None) -> str | None:
    name = short_name(observation.replica)
    coverage = observation.coverage
    if coverage is not None and seconds is not None and coverage.observed_s < ENOUGH_OF_A_WINDOW * seconds:
        return f"{name} was watched for {coverage.observed_s:g} of {seconds:g} s"
    if not any(observation.aspects.values()):
        return f"{name} did nothing that was seen"
    return None


# --- the published rule ---------------------------------------------------------------------------------------------


def published_ruling(likeness: Likeness, among: Sequence[int], *, names: Sequence[str], threshold: float) -> Ruling:
    """Anomalous if any distance is greater than the threshold; each replica by its own distance to all others."""
    if len(among) < FEWEST:
        return too_few(len(among), among=likeness.replicas)
    distances = likeness.distances(among)
    odd = frozenset(replica for replica, distance in distances.items() if distance > threshold)
    largest = f"the largest of {len(among)} distances is {max(distances.values()):.4f}"
    return Ruling(
        outcome=Outcome.ANOMALOUS if odd else Outcome.NORMAL,
        reason=f"{largest}, threshold {threshold:g}" + (f"; beyond it: {listed(odd, names)}" if odd else ""),
        odd=odd,
        kin={replica: others(among, replica) for replica in among},
    )


# --- the kinwatch rule ----------------------------------------------------------------------------------------------


def kin_ruling(likeness: Likeness, among: Sequence[int], *, names: Sequence[str], threshold: float) -> Ruling:
    """Name the replicas that stand apart, one after the other; if none does and yet they differ, all that differ."""
    if len(among) < FEWEST:
        return too_few(len(among), among=likeness.replicas)
    if len(among) == PAIR:
        return _pair_ruling(likeness, among, names=names, threshold=threshold)
    apart, rest = peel(likeness, among, threshold=threshold)
    if apart:
        return _apart_ruling(likeness, among, apart, rest, names=names, threshold=threshold)
    return _undivided_ruling(likeness, among, names=names, threshold=threshold)


def peel(likeness: Likeness, among: Sequence[int], *, threshold: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """
    Take away the most distant replica for as long as it stands apart from the rest; give the odd ones and the rest.

    One that turns out to be like those that stay, once the others are gone, is in neither part. One attacked replica
    raises the distance of each of its kin; once it is taken away their distances are their own.
    """
    apart: list[int] = []
    rest = tuple(among)
    while len(rest) > PAIR:
        farthest = most_distant(likeness, rest)
        kin = others(rest, farthest)
        if not stands_apart(likeness, farthest, kin, threshold=threshold):
            break
        apart.append(farthest)
        rest = kin
    return tuple(replica for replica in apart if likeness.distance(replica, rest) > threshold), rest


def most_distant(likeness: Likeness, among: Sequence[int]) -> int:
    """The replica that is farthest from the others of its group; the first of equals."""
    distances = likeness.distances(among)
    return max(among, key=lambda replica: distances[replica])


def stands_apart(likeness: Likeness, replica: int, kin: Sequence[int], *, threshold: float) -> bool:
    """Whether a replica is farther from its kin than the threshold, and far beyond what they are from one another."""
    distance = likeness.distance(replica, kin)
    return distance > threshold and distance > STANDS_APART * median(likeness.distances(kin).values())


def _pair_ruling(likeness: Likeness, pair: Sequence[int], *, names: Sequence[str], threshold: float) -> Ruling:
    distance = likeness.distance(pair[0], pair[1:])
    differ = distance > threshold
    said = "differ" if differ else "agree"
    doubt = "; of a pair nobody can tell which is the odd one" if differ else ""
    return Ruling(
        outcome=Outcome.ANOMALOUS if differ else Outcome.NORMAL,
        reason=f"the pair {listed(pair, names)} {said}: distance {distance:.4f}, threshold {threshold:g}{doubt}",
        odd=frozenset(pair) if differ else frozenset(),
        kin={replica: others(pair, replica) for replica in pair},
    )


def _apart_ruling(
    likeness: Likeness,
    among: Sequence[int],
    apart: Sequence[int],
    rest: Sequence[int],
    *,
    names: Sequence[str],
    threshold: float,
) -> Ruling:
    restless = max(likeness.distances(rest).values())
    verb = "stands" if len(apart) == 1 else "stand"
    kin = (
        f"agree within {restless:.4f}"
        if restless <= threshold
        else f"differ from one another too, by up to {restless:.4f}, but none of them stands apart"
    )
    return Ruling(
        outcome=Outcome.ANOMALOUS,
        reason=f"{listed(apart, names)} {verb} apart from {len(rest)} kin, which {kin}",
        odd=frozenset(apart),
        kin={replica: others(rest, replica) for replica in among},
    )


def _undivided_ruling(likeness: Likeness, among: Sequence[int], *, names: Sequence[str], threshold: float) -> Ruling:
    distances = likeness.distances(among)
    odd = frozenset(replica for replica, distance in distances.items() if distance > threshold)
    reason = (
        f"{listed(odd, names)}: farther than {threshold:g} from their kin, yet none stands apart; "
        "the replicas do not agree enough to tell which is the odd one"
        if odd
        else f"{len(among)} replicas agree: the largest distance is {max(distances.values()):.4f}, "
        f"threshold {threshold:g}"
    )
    return Ruling(
        outcome=Outcome.ANOMALOUS if odd else Outcome.NORMAL,
        reason=reason,
        odd=odd,
        kin={replica: others(among, replica) for replica in among},
    )


# --- what a verdict must not hide -----------------------------------------------------------------------------------


def coverage_notes(observations: Iterable[Observation]) -> list[str]:
    """What the observations may have missed, one note per replica that lost or cut something."""
    notes = []
    for observation in observations:
        coverage = observation.coverage
        if coverage is None:
            continue
        missed = [f"lost {count} ({why})" for why, count in sorted(coverage.lost.items()) if count]
        missed += [f"cut {count} {aspect}" for aspect, count in sorted(coverage.truncated.items()) if count]
        if missed:
            notes.append(f"coverage of {short_name(observation.replica)}: {', '.join(missed)}")
    return notes

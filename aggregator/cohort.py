"""
Bring together the replicas that ought to behave alike, window by window.

Flow: read -> **cohort** -> score. Lines of one cohort and window are judged together, whichever files and nodes they
came from; a chisel capture is a cohort in one window by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from aggregator.verdict import Capture, Cohort, Gathering, Line, Observation, Span, short_name
from kinwatch.aspects import Aspect
from kinwatch.jsonline import window_fields
from kinwatch.snapshot import Coverage, Features, Replica, Snapshot, Window

FAILED_CAPTURE = (
    "the capture failed: an empty array never means that nothing happened. Since version 0.35 sysdig no longer fills "
    "k8s.deployment.name, so the chisel's filter on it matches nothing and `[]` is written with a success message"
)
CAPTURE_REMEDY = (
    "capture with the filter `container.id!=host` (or k8s.ns.name and k8s.pod.label[...]) and join the workload "
    "outside sysdig, or use Kinwatch's own agent"
)
NO_WORKLOAD = "the workload of this replica is not known, so nobody knows its kin"
NOT_COUNTED = "a chisel capture does not count what it lost"

ReplicaKey = tuple[str | None, ...]
GroupKey = tuple[Cohort, Window, ReplicaKey | None]


def gather(lines: Iterable[Line], captures: Iterable[Capture]) -> list[Gathering]:
    """What is to be judged, in the order of time, cohort and source."""
    groups: dict[GroupKey, list[Line]] = {}
    for line in lines:
        groups.setdefault(_group_key(line.snapshot), []).append(line)
    gatherings = [_of_lines(key, group) for key, group in groups.items()]
    gatherings += [_of_capture(capture) for capture in captures]
    return sorted(gatherings, key=_order)


def _order(gathering: Gathering) -> tuple[str, ...]:
    return (
        gathering.window.start or "",
        *(field or "" for field in asdict(gathering.cohort).values()),
        gathering.source,
    )


# --- lines ----------------------------------------------------------------------------------------------------------


def cohort_of(snapshot: Snapshot) -> Cohort:
    """The cohort to which a snapshot belongs."""
    return Cohort(
        namespace=snapshot.replica.namespace,
        kind=snapshot.workload.kind,
        name=snapshot.workload.name,
        revision=snapshot.workload.revision,
        container=snapshot.replica.container,
    )


def is_kinless(snapshot: Snapshot) -> bool:
    """Whether nobody knows which workload a replica belongs to; two such replicas are no kin."""
    return snapshot.workload.name is None and not snapshot.coverage.resolved


def replica_key(replica: Replica) -> ReplicaKey:
    """What makes two observations the same replica: one container of one pod, or else one cgroup."""
    if replica.pod_uid or replica.pod:
        return (replica.namespace, replica.pod, replica.pod_uid, replica.container)
    return (replica.cgroup, replica.container_id, replica.container)


def _group_key(snapshot: Snapshot) -> GroupKey:
    alone = replica_key(snapshot.replica) if is_kinless(snapshot) else None
    return cohort_of(snapshot), snapshot.window, alone


def _of_lines(key: GroupKey, lines: list[Line]) -> Gathering:
    cohort, window, alone = key
    fields = window_fields(window)
    observations, notes = merge(_without_repeats(lines), seconds=window.seconds)
    return Gathering(
        cohort=cohort,
        window=Span(start=fields["start"], seconds=fields["seconds"]),
        sources=tuple(sorted({line.source for line in lines})),
        observations=observations,
        doubt=NO_WORKLOAD if alone is not None else None,
        notes=notes,
    )


def _without_repeats(lines: Iterable[Line]) -> list[Observation]:
    """The observations of lines; a line that came twice, word for word, counts once."""
    distinct: dict[ReplicaKey, list[Snapshot]] = {}
    for line in lines:
        known = distinct.setdefault(replica_key(line.snapshot.replica), [])
        if line.snapshot not in known:
            known.append(line.snapshot)
    return [_observation(snapshot) for snapshots in distinct.values() for snapshot in snapshots]


def _observation(snapshot: Snapshot) -> Observation:
    return Observation(replica=snapshot.replica, aspects=snapshot.aspects, coverage=snapshot.coverage)


# --- captures -------------------------------------------------------------------------------------------------------


def _of_capture(capture: Capture) -> Gathering:
    observations, notes = merge(capture.observations, seconds=capture.window.seconds)
    return Gathering(
        cohort=Cohort(name=capture.name),
        window=capture.window,
        sources=(capture.source,),
        observations=observations,
        doubt=None if observations else FAILED_CAPTURE,
        notes=(*capture.notes, *notes, NOT_COUNTED) if observations else (),
    )


# --- one observation per replica ------------------------------------------------------------------------------------


def merge(
    observations: Iterable[Observation], *, seconds: float | None
) -> tuple[tuple[Observation, ...], tuple[str, ...]]:
    """One observation per replica, in the order of their names: sets united, coverage added up; and a note on each."""
    reports: dict[ReplicaKey, list[Observation]] = {}
    for observation in observations:
        reports.setdefault(replica_key(observation.replica), []).append(observation)
    keys = sorted(reports, key=lambda key: tuple(part or "" for part in key))
    merged = tuple(_united(reports[key], seconds=seconds) for key in keys)
    notes = tuple(
        f"{short_name(reports[key][0].replica)} was reported {len(reports[key])} times; its sets were united"
        for key in keys
        if len(reports[key]) > 1
    )
    return merged, notes


def _united(reports: list[Observation], *, seconds: float | None) -> Observation:
    if len(reports) == 1:
        return reports[0]
    coverages = [report.coverage for report in reports if report.coverage is not None]
    return replace(
        reports[0],
        aspects=_union([report.aspects for report in reports]),
        coverage=_sum(coverages, seconds=seconds) if coverages else None,
    )


def _union(parts: list[Mapping[Aspect, Features]]) -> dict[Aspect, Features]:
    named = {aspect for part in parts for aspect in part}
    return {
        aspect: frozenset().union(*(part.get(aspect, ()) for part in parts)) for aspect in Aspect if aspect in named
    }


def _sum(coverages: list[Coverage], *, seconds: float | None) -> Coverage:
    observed_s = sum(coverage.observed_s for coverage in coverages)
    lost: Counter[str] = Counter()
    truncated: Counter[str] = Counter()
    for coverage in coverages:
        lost.update(coverage.lost)
        truncated.update(coverage.truncated)
    return Coverage(
        observed_s=observed_s if seconds is None else min(observed_s, seconds),
        events=sum(coverage.events for coverage in coverages),
        lost=lost,
        truncated=truncated,
        resolved=all(coverage.resolved for coverage in coverages),
    )

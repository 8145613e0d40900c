"""
Wire the steps for one gathering: normalise, score, judge, gather the evidence.

Flow: `main` -> **pipeline**: cohort -> score -> judge -> evidence -> show. The profile decides here, once, which
aspects, which likeness and which rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator import judge, score
from aggregator.evidence import Holders, evidence, holders_of
from aggregator.likeness import Likeness
from aggregator.verdict import (
    Gathering,
    Observation,
    Outcome,
    ReplicaVerdict,
    Ruling,
    Sweep,
    Verdict,
    short_name,
)
from kinwatch.aspects import TEN_ASPECTS, Aspect
from kinwatch.normalise import Profile, normalise
from kinwatch.snapshot import Features

SWEEP_THRESHOLDS: tuple[float, ...] = tuple(float(threshold) for threshold in np.arange(0.1, 1.1, 0.1))
"""The thresholds of the published table, as the released code makes them."""

ASPECTS: Mapping[Profile, tuple[Aspect, ...]] = {
    Profile.REPLICAWATCHER: TEN_ASPECTS,
    Profile.KINWATCH: tuple(Aspect),
}
LIKENESS: Mapping[Profile, Callable[[Sequence[score.Sets]], Likeness]] = {
    Profile.REPLICAWATCHER: score.published_likeness,
    Profile.KINWATCH: score.symmetric_likeness,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A gathering, and all that can be computed of it before a threshold is known."""

    gathering: Gathering
    profile: Profile
    features: tuple[Mapping[Aspect, Features], ...]
    """Per replica the normalised set of each aspect."""
    likeness: Likeness
    aside: Mapping[int, str]
    """The replicas that are not compared, and why."""

    @property
    def among(self) -> tuple[int, ...]:
        """The replicas that are compared."""
        return tuple(index for index in range(len(self.features)) if index not in self.aside)


def measure(gathering: Gathering, profile: Profile, aspects: Sequence[Aspect]) -> Measured:
    """Normalise and score a gathering."""
    features = tuple(_features(observation, profile, aspects) for observation in gathering.observations)
    return Measured(
        gathering=gathering,
        profile=profile,
        features=features,
        likeness=LIKENESS[profile]([[one[aspect] for one in features] for aspect in aspects]),
        aside=judge.set_aside(gathering) if profile is Profile.KINWATCH else {},
    )


def _features(observation: Observation, profile: Profile, aspects: Sequence[Aspect]) -> dict[Aspect, Features]:
    return {aspect: normalise(profile, aspect, observation.features(aspect), observation.replica) for aspect in aspects}


def verdict_on(measured: Measured, threshold: float) -> Verdict:
    """The judgement of one cohort in one window."""
    gathering = measured.gathering
    ruling = _ruling(measured, threshold)
    holders = holders_of([measured.features[index] for index in ruling.kin])
    return Verdict(
        cohort=gathering.cohort,
        window=gathering.window,
        source=gathering.source,
        profile=measured.profile,
        threshold=threshold,
        outcome=ruling.outcome,
        reason="; ".join([ruling.reason, *_notes(measured)]),
        replicas=tuple(_replica_verdict(measured, ruling, holders, index) for index in range(len(measured.features))),
        compared=len(ruling.kin),
    )


def _ruling(measured: Measured, threshold: float) -> Ruling:
    if measured.gathering.doubt is not None:
        return judge.inconclusive(measured.gathering.doubt)
    rule = judge.kin_ruling if measured.profile is Profile.KINWATCH else judge.published_ruling
    names = [short_name(observation.replica) for observation in measured.gathering.observations]
    return rule(measured.likeness, measured.among, names=names, threshold=threshold)


def _notes(measured: Measured) -> list[str]:
    return [
        *(f"not compared: {why}" for why in measured.aside.values()),
        *judge.coverage_notes(measured.gathering.observations),
        *measured.gathering.notes,
    ]


def _replica_verdict(
    measured: Measured, ruling: Ruling, holders: Mapping[Aspect, Holders], index: int
) -> ReplicaVerdict:
    kin = ruling.kin.get(index)
    return ReplicaVerdict(
        replica=measured.gathering.observations[index].replica,
        distance=None if kin is None else measured.likeness.distance(index, kin),
        dissimilarity={} if kin is None else _dissimilarity(measured, index, kin),
        anomalous=index in ruling.odd,
        evidence=evidence(measured.features[index], holders, kin=len(ruling.kin) - 1) if index in ruling.odd else {},
    )


def _dissimilarity(measured: Measured, index: int, kin: Sequence[int]) -> dict[Aspect, float]:
    figures = measured.likeness.dissimilarities(index, kin)
    return {aspect: float(figure) for aspect, figure in zip(measured.features[index], figures, strict=True)}


def sweep(measurements: Iterable[Measured], profile: Profile) -> Sweep:
    """How many snapshots are anomalous at each of the published thresholds."""
    judged = list(measurements)
    outcomes = {threshold: [_ruling(one, threshold).outcome for one in judged] for threshold in SWEEP_THRESHOLDS}
    return Sweep(
        profile=profile,
        snapshots=len(judged),
        inconclusive=outcomes[SWEEP_THRESHOLDS[0]].count(Outcome.INCONCLUSIVE),
        anomalous=tuple((threshold, found.count(Outcome.ANOMALOUS)) for threshold, found in outcomes.items()),
    )

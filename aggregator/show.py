"""
Write verdicts as JSON, one object a line.

Flow: judge -> **show**. The fields are listed in docs/verdicts.md. Pure ASCII: nothing that a container named reaches a
terminal as anything but text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aggregator.verdict import Difference, Mark, ReplicaVerdict, Sweep, Verdict
from kinwatch.aspects import Aspect
from kinwatch.jsonline import replica_fields


def verdict_line(verdict: Verdict) -> str:
    """A verdict as one line of JSON, without the line end."""
    return _line(
        {
            "cohort": asdict(verdict.cohort),
            "window": asdict(verdict.window),
            "source": verdict.source,
            "profile": verdict.profile,
            "threshold": verdict.threshold,
            "verdict": verdict.outcome,
            "reason": verdict.reason,
            "replicas": [_replica(replica) for replica in verdict.replicas],
        }
    )


def sweep_line(sweep: Sweep) -> str:
    """A sweep as one JSON object; thresholds to one decimal, as the published table shows them."""
    return _line(
        {
            "profile": sweep.profile,
            "snapshots": sweep.snapshots,
            "inconclusive": sweep.inconclusive,
            "sweep": [
                {"threshold": round(threshold, 1), "anomalous": anomalous} for threshold, anomalous in sweep.anomalous
            ],
        }
    )


def _line(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, allow_nan=False, separators=(",", ":"))


def _replica(replica: ReplicaVerdict) -> dict[str, Any]:
    return {
        "replica": replica_fields(replica.replica),
        "distance": replica.distance,
        "dissimilarity": {aspect.value: figure for aspect, figure in replica.dissimilarity.items()},
        "anomalous": replica.anomalous,
        "evidence": _evidence(replica.evidence),
    }


def _evidence(evidence: Mapping[Aspect, Difference]) -> dict[str, Any]:
    return {
        aspect.value: {
            "only_here": [_mark(mark) for mark in difference.only_here],
            "missing_here": [_mark(mark) for mark in difference.missing_here],
        }
        for aspect, difference in evidence.items()
    }


def _mark(mark: Mark) -> dict[str, str | int]:
    return {"value": mark.value, "kin": mark.kin}

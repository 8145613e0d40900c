"""What the kubelet of a real node answered, as `tests/fixtures/kubernetes/kubelet` has it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

RECORDINGS: Final = Path(__file__).parents[2] / "fixtures/kubernetes/kubelet"
NODE: Final = "knode-1"
"""The node on which the recordings were made."""
GRANTED: Final = "pods-nodes-pods"
"""The recording for a ServiceAccount with get on nodes/pods."""
REFUSED: Final = "pods-bad-token"
"""The recording for a token that nobody knows."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One answer of the real kubelet."""

    name: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of INDEX.tsv."""

    name: str
    request: str
    credentials: str
    status: int


def rows() -> list[Row]:
    """All that was recorded."""
    with (RECORDINGS / "INDEX.tsv").open(newline="") as index:
        return [
            Row(name=row["file"], request=row["request"], credentials=row["credentials"], status=int(row["status"]))
            for row in csv.DictReader(index, delimiter="\t")
        ]


@cache
def recording(name: str) -> Recording:
    """What the real kubelet answered, by its name in INDEX.tsv."""
    first, *lines = (RECORDINGS / f"{name}.headers").read_text().strip().splitlines()
    return Recording(
        name=name,
        status=int(first.split()[1]),
        headers={key: value.strip() for key, _, value in (line.partition(":") for line in lines)},
        body=(RECORDINGS / f"{name}.body").read_bytes(),
    )


def recorded_pods(name: str = GRANTED) -> list[Json]:
    """The pods of a recording, as JSON objects to be changed at will."""
    items: list[Json] = json.loads(recording(name).body)["items"]
    return items


def with_ids(pods: list[Json], ids: Mapping[str, str]) -> list[Json]:
    """Copies of the pods in which uids, container ids, names … are replaced wherever they stand."""
    text = json.dumps(pods)
    for old, new in ids.items():
        text = text.replace(old, new)
    replaced: list[Json] = json.loads(text)
    return replaced


def pod_list(pods: list[Json]) -> bytes:
    """The PodList of these pods, as a kubelet writes it."""
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}).encode()

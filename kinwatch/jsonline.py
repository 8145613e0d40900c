"""
A snapshot as one JSON object on one line, and back.

Flow: agent window -> **jsonline** -> aggregator read. The form of `agent --dry-run --format json`; the fields are
listed in docs/architecture.md.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

from kinwatch.aspects import Aspect
from kinwatch.snapshot import Coverage, Origin, Replica, Snapshot, Window, Workload

REPLICA_KEYS = ("namespace", "pod", "pod_uid", "container", "container_id", "role", "cgroup")
WORKLOAD_KEYS = ("kind", "name", "revision")


LONGEST_S = 86_400.0 * 366
"""No window is longer than a year: a larger number is a mistake, and would overflow the calendar."""


class JsonLineError(ValueError):
    """A JSON object that is no snapshot; the message names the key and what was expected there."""


def replica_fields(replica: Replica) -> dict[str, str | None]:
    """The fields of a replica, in the order in which they are written."""
    return {key: getattr(replica, key) for key in REPLICA_KEYS}


def workload_fields(workload: Workload) -> dict[str, str | None]:
    """The fields of a workload, in the order in which they are written."""
    return {key: getattr(workload, key) for key in WORKLOAD_KEYS}


def window_fields(window: Window) -> dict[str, Any]:
    """The fields of a window: `start` in ISO 8601, UTC, with a trailing Z; `seconds`."""
    start = window.start.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return {"start": start, "seconds": _shortest(window.seconds)}


def encode(snapshot: Snapshot) -> str:
    """The snapshot as one line of JSON, without the line end; pure ASCII, features sorted."""
    coverage = snapshot.coverage
    return json.dumps(
        {
            "window": window_fields(snapshot.window),
            "node": snapshot.node,
            "replica": replica_fields(snapshot.replica),
            "workload": workload_fields(snapshot.workload),
            "aspects": {aspect.value: sorted(features) for aspect, features in snapshot.aspects.items()},
            "origins": [
                {"command": origin.command, "parent": origin.parent, "outside": origin.outside}
                for origin in sorted(snapshot.origins)
            ],
            "coverage": {
                "observed_s": round(coverage.observed_s, 3),
                "events": coverage.events,
                "lost": dict(coverage.lost),
                "truncated": dict(coverage.truncated),
                "resolved": coverage.resolved,
            },
        },
        separators=(",", ":"),
    )


def _shortest(seconds: float) -> float | int:
    return int(seconds) if float(seconds).is_integer() else seconds


def decode(line: str) -> Snapshot:
    """
    The snapshot that a line holds; raises JsonLineError where it holds none.

    Keys that are not known are passed over, so that a newer agent's lines can be read.
    """
    record = _of_type(_parsed(line), dict, "the line")
    return Snapshot(
        window=_window(_field(record, "window", dict)),
        node=_optional_text(record, "node"),
        replica=Replica(**_optional_texts(_field(record, "replica", dict), REPLICA_KEYS)),
        workload=Workload(**_optional_texts(_field(record, "workload", dict), WORKLOAD_KEYS)),
        aspects=_aspects(_field(record, "aspects", dict)),
        coverage=_coverage(_field(record, "coverage", dict)),
        origins=_origins(_of_type(record.get("origins", []), list, "origins")),
    )


def _origins(entries: list[Any]) -> frozenset[Origin]:
    records = [_of_type(entry, dict, "origins") for entry in entries]
    return frozenset(
        Origin(
            command=_field(record, "command", str),
            parent=_field(record, "parent", str),
            outside=_field(record, "outside", bool),
        )
        for record in records
    )


def _parsed(line: str) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except RecursionError as error:
        message = "brackets are nested too deeply"
        raise JsonLineError(message) from error
    except ValueError as error:
        message = f"not JSON: {error}"
        raise JsonLineError(message) from error


def _refuse_constant(name: str) -> NoReturn:
    """Python's json takes NaN and Infinity for numbers; JSON doesn't."""
    message = f"{name} is no JSON value"
    raise ValueError(message)


_NAMES = {dict: "an object", list: "a list", str: "text", int: "a whole number", bool: "true or false"}


def _of_type(value: Any, expected: type, where: str) -> Any:
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        message = f"{where}: expected {_NAMES[expected]}"
        raise JsonLineError(message)
    return value


def _required(record: dict[str, Any], key: str) -> Any:
    if key not in record:
        message = f"the key {key!r} is missing"
        raise JsonLineError(message)
    return record[key]


def _field(record: dict[str, Any], key: str, expected: type) -> Any:
    return _of_type(_required(record, key), expected, key)


def _seconds(record: dict[str, Any], key: str) -> float:
    """A finite number of seconds, at least 0; whole ones may be written without a point."""
    value = _required(record, key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_S:
        message = f"{key}: expected a number of seconds from 0 to {LONGEST_S:g}"
        raise JsonLineError(message)
    return float(value)


def _count(value: Any, where: str) -> int:
    count: int = _of_type(value, int, where)
    if count < 0:
        message = f"{where}: expected a count of at least 0"
        raise JsonLineError(message)
    return count


def _optional_text(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None:
        _of_type(value, str, key)
    return value


def _optional_texts(record: dict[str, Any], keys: tuple[str, ...]) -> dict[str, str | None]:
    return {key: _optional_text(record, key) for key in keys}


def _window(record: dict[str, Any]) -> Window:
    try:
        return Window(
            start=datetime.fromisoformat(_field(record, "start", str)),
            seconds=_seconds(record, "seconds"),
        )
    except (ValueError, OverflowError) as error:
        message = f"window: {error}"
        raise JsonLineError(message) from error


def _aspects(record: dict[str, Any]) -> dict[Aspect, frozenset[str]]:
    known = {aspect.value for aspect in Aspect}
    return {
        Aspect(name): frozenset(_of_type(value, str, name) for value in _of_type(values, list, name))
        for name, values in record.items()
        if name in known
    }


def _counts(record: dict[str, Any], key: str) -> dict[str, int]:
    return {name: _count(count, f"{key}.{name}") for name, count in _field(record, key, dict).items()}


def _coverage(record: dict[str, Any]) -> Coverage:
    return Coverage(
        observed_s=_seconds(record, "observed_s"),
        events=_count(_required(record, "events"), "events"),
        lost=_counts(record, "lost"),
        truncated=_counts(record, "truncated"),
        resolved=_field(record, "resolved", bool),
    )

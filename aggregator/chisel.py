"""
The capture of a sysdig chisel: a JSON array with one object per replica.

Flow: beside read. The form is that of the chisel published with ReplicaWatcher; `pod_id` stands for the replica,
`begin_time` and `end_time` are local times of day without a date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from aggregator.verdict import Capture, Observation, Span
from kinwatch.aspects import CHISEL_KEYS, Aspect
from kinwatch.snapshot import Features, Replica

DAY_S = 86_400.0
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)", re.ASCII)


class CaptureError(ValueError):
    """Text that is no chisel capture, with what to do about it."""

    def __init__(self, problem: str, *, remedy: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.remedy = remedy
        self.line = line


def parse_capture(text: str, *, source: str, name: str) -> Capture:
    """The capture that a text holds; raises CaptureError. An empty array is a capture with no observations."""
    replicas = [_checked(number, value) for number, value in enumerate(_array(text), start=1)]
    return Capture(
        source=source,
        name=name,
        window=window_of(replicas),
        observations=tuple(map(_observation, replicas)),
        notes=tuple(note for replica in replicas for note in _missing_lists(replica)),
    )


def _array(text: str) -> list[Any]:
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _unusable(problem="brackets are nested too deeply for a capture") from error
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from error
    except ValueError as error:
        raise _unusable(problem="not JSON: " + str(error)) from error
    if not isinstance(parsed, list):
        raise _unusable(problem="no array at its outermost")
    return parsed


def _unusable(*, problem: str) -> CaptureError:
    return CaptureError(problem, remedy="give what the chisel wrote, unchanged")


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def _not_json(text: str, error: json.JSONDecodeError) -> CaptureError:
    unfinished = error.msg.startswith("Unterminated string") or not text[error.pos :].strip()
    if unfinished:
        return CaptureError(
            f"the capture is cut in the middle, in line {error.lineno}",
            remedy="copy it again, or capture again and let the chisel end by itself",
            line=error.lineno,
        )
    return CaptureError(
        f"not JSON: {error.msg} in column {error.colno}",
        remedy="give what the chisel wrote, unchanged; of several captures in one file make several files",
        line=error.lineno,
    )


# --- one replica ----------------------------------------------------------------------------------------------------


def _checked(number: int, value: Any) -> dict[str, Any]:
    """The object of a replica, its types checked."""
    if not isinstance(value, dict):
        _refuse(f"element {number} is not an object")
    if "pod_id" not in value:
        _refuse(f"replica {number} has no key pod_id, so it can't be told from its kin")
    for key in ("pod_id", "begin_time", "end_time"):
        if not isinstance(value.get(key, ""), str):
            _refuse(f"{key} of replica {number} is not text")
    if not any(key in value for key in CHISEL_KEYS.values()):
        _refuse(f"replica {number} has none of the lists list_distinct_…")
    for key in CHISEL_KEYS.values():
        _check_list(number, key, value.get(key, []))
    return value


def _check_list(number: int, key: str, values: Any) -> None:
    if not isinstance(values, list):
        _refuse(f"{key} of replica {number} is not a list")
    if not all(isinstance(value, str) for value in values):
        _refuse(f"{key} of replica {number} holds something that is not text")


def _refuse(problem: str) -> NoReturn:
    raise CaptureError(
        problem, remedy="each replica needs pod_id, begin_time, end_time and lists of text, as the chisel writes them"
    )


def _missing_lists(replica: dict[str, Any]) -> list[str]:
    missing = [key for key in CHISEL_KEYS.values() if key not in replica]
    return [f"{replica['pod_id']} has no {', '.join(missing)}: taken as empty"] if missing else []


def _observation(replica: dict[str, Any]) -> Observation:
    aspects: dict[Aspect, Features] = {aspect: frozenset(replica.get(key, ())) for aspect, key in CHISEL_KEYS.items()}
    return Observation(replica=Replica(pod=replica["pod_id"]), aspects=aspects, coverage=None)


# --- the window -----------------------------------------------------------------------------------------------------


def window_of(replicas: Iterable[dict[str, Any]]) -> Span:
    """
    From the earliest begin to the latest end of the replicas, over midnight if need be.

    Unknown where a time is missing or is no time of day.
    """
    begins = [replica.get("begin_time", "") for replica in replicas]
    ends = [replica.get("end_time", "") for replica in replicas]
    begin_s = [seconds_of_day(time) for time in begins]
    end_s = [seconds_of_day(time) for time in ends]
    known = [(b, e) for b, e in zip(begin_s, end_s, strict=True) if b is not None and e is not None]
    if not known or len(known) < len(begins):
        return Span(start=next(filter(None, begins), None), seconds=None)
    anchor = known[0][0]
    offsets = [_nearest(begin - anchor) for begin, _ in known]
    stops = [offset + (end - begin) % DAY_S for offset, (begin, end) in zip(offsets, known, strict=True)]
    first = min(offsets)
    return Span(start=begins[offsets.index(first)], seconds=round(max(stops) - first, 9))


def seconds_of_day(time: str) -> float | None:
    """Seconds since midnight of `HH:MM:SS.nnnnnnnnn`; None if that isn't what it is."""
    match = _TIME_OF_DAY.fullmatch(time)
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _nearest(difference_s: float) -> float:
    """A difference of two times of day, taken the short way round: at most 12 hours either way."""
    return (difference_s + DAY_S / 2) % DAY_S - DAY_S / 2

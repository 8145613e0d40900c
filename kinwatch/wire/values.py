"""
Single values of a document, each of the type and in the range that the schema gives it, or refused by name.

Flow: beside **wire**, for its readers. Types are compared exactly: true is no 1. No message repeats what was sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import lt
from typing import Any

from kinwatch.wire.limits import Limits
from kinwatch.wire.refusal import Refusal, WireError

_NAMES = {list: "a list", str: "text", int: "a whole number", bool: "true or false", float: "a float64", bytes: "bytes"}


def of_type(value: object, expected: type, what: str) -> Any:
    """The value, if it is of just this type."""
    if type(value) is not expected:
        raise WireError(Refusal.SHAPE, f"{what}: expected {_NAMES[expected]}")
    return value


def row(value: object, length: int, what: str) -> list[Any]:
    """A list of so many members: a further one is of a version that is not this."""
    members: list[Any] = of_type(value, list, what)
    if len(members) != length:
        raise WireError(Refusal.SHAPE, f"{what}: expected {length} values, not {len(members)}")
    return members


def rows(value: object, what: str, limits: Limits) -> list[Any]:
    """A list with a member for each replica."""
    members: list[Any] = of_type(value, list, what)
    if len(members) > limits.replicas:
        raise WireError(Refusal.LIMIT, f"{len(members):,} {what}, of {limits.replicas:,} that are taken")
    return members


def whole(value: object, what: str, lowest: int, highest: int) -> int:
    """A whole number of a range."""
    number: int = of_type(value, int, what)
    if not lowest <= number <= highest:
        raise WireError(Refusal.VALUE, f"{what}: expected {lowest} to {highest}")
    return number


def truth(value: object, what: str) -> bool:
    """True or false."""
    told: bool = of_type(value, bool, what)
    return told


def seconds(value: object, what: str, highest: float) -> float:
    """A finite number of seconds, at least 0; and not minus zero, which is equal to it and has other bytes."""
    number: float = of_type(value, float, what)
    if not 0 <= number <= highest or math.copysign(1, number) < 0:
        raise WireError(Refusal.VALUE, f"{what}: expected 0 to {highest:g}")
    return number


def text(value: object, what: str, limits: Limits) -> str:
    """Text of a bounded length."""
    told: str = of_type(value, str, what)
    if len(told) > limits.string_bytes or len(told.encode()) > limits.string_bytes:
        raise WireError(Refusal.LIMIT, f"{what}: more than {limits.string_bytes:,} bytes")
    return told


def maybe_text(value: object, what: str, limits: Limits) -> str | None:
    """Text, or nil where there is none."""
    return None if value is None else text(value, what, limits)


def pairs(value: object, what: str, *, at_most: int, highest: int) -> tuple[list[Any], list[int]]:
    """What is counted, and how many of each; written in turns."""
    members: list[Any] = of_type(value, list, what)
    if len(members) % 2:
        raise WireError(Refusal.SHAPE, f"{what}: expected a count for each")
    if len(members) > 2 * at_most:
        raise WireError(Refusal.LIMIT, f"{what}: {len(members) // 2:,} kinds, of {at_most:,} that are taken")
    return members[::2], [whole(count, what, 0, highest) for count in members[1::2]]


def require_rising(values: Sequence[Any], what: str) -> None:
    """Refuse what is not sorted, or holds something twice."""
    if not is_rising(values):
        raise WireError(Refusal.SPELLING, f"{what}: not in rising order")


def is_rising(values: Sequence[Any]) -> bool:
    """Whether each value is greater than the one before it."""
    return all(map(lt, values, values[1:]))


def require_distinct(values: Sequence[object], refusal: Refusal, message: str) -> None:
    """Refuse what holds something twice."""
    if len(set(values)) != len(values):
        raise WireError(refusal, message)

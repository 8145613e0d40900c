"""
What is sent once and pointed at by its number.

Flow: beside **wire**, for its readers. A table is in the order in which it is first pointed at, and nothing in it is
pointed at by nobody: so there is one table for a batch.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from kinwatch.wire import numbers, values
from kinwatch.wire.limits import Limits
from kinwatch.wire.refusal import Refusal, WireError

Entry = TypeVar("Entry", bound=Hashable)


class Pointed(Generic[Entry]):
    """A table, and how much of it has been pointed at."""

    def __init__(self, entries: Sequence[Entry], what: str) -> None:
        self._entries = entries
        self._what = what
        self._used = 0

    def maybe_at(self, pointer: object) -> Entry | None:
        """What a pointer points at that counts from 1; None for 0."""
        number: int = values.of_type(pointer, int, self._what)
        return None if number == 0 else self.at(number - 1)

    def at(self, place: object) -> Entry:
        """What a pointer points at that counts from 0."""
        if type(place) is int and 0 <= place < self._used:
            return self._entries[place]
        return self._new_at(values.of_type(place, int, self._what))

    def all_at(self, places: Sequence[int]) -> frozenset[Entry]:
        """The set of what rising places point at; those that were not pointed at before are in their own order."""
        if places and places[-1] >= self._used:
            self._take_new(places)
        return frozenset(map(self._entries.__getitem__, places))

    def require_all_used(self) -> None:
        """Refuse a table with an entry that nothing points at."""
        if self._used != len(self._entries):
            raise WireError(
                Refusal.SPELLING, f"nothing points at {len(self._entries) - self._used:,} of the {self._what}"
            )

    def _new_at(self, place: int) -> Entry:
        if not 0 <= place < len(self._entries):
            raise WireError(Refusal.VALUE, f"a pointer to none of the {len(self._entries):,} {self._what}")
        if place != self._used:
            raise WireError(Refusal.SPELLING, f"the {self._what} are not in the order in which they are pointed at")
        self._used += 1
        return self._entries[place]

    def _take_new(self, places: Sequence[int]) -> None:
        last = places[-1]
        if last >= len(self._entries):
            raise WireError(Refusal.VALUE, f"a set points past the {self._what}")
        # They rise to `last`: if the first of them is the next one unused, none of them is left out.
        count = last + 1 - self._used
        if count > len(places) or places[-count] != self._used:
            raise WireError(Refusal.SPELLING, f"the {self._what} are not in the order in which they are pointed at")
        values.require_rising(self._entries[self._used : last + 1], f"what is new in a set of {self._what}")
        self._used = last + 1


def sets(value: object, table: Pointed[Entry], limits: Limits, *, at_most: int, what: str) -> list[frozenset[Entry]]:
    """Distinct sets of what is in a table, in the order in which they were written."""
    written = numbers.ended(values.of_type(value, bytes, what), numbers.END, at_most=at_most, what=what)
    values.require_distinct(written, Refusal.SPELLING, f"{what}: one is written twice")
    members = 0
    read = []
    for steps in written:
        places = _places(steps, limits, what)
        members += len(places)
        if members > limits.features:
            raise WireError(Refusal.LIMIT, f"{what}: more than {limits.features:,} members")
        read.append(table.all_at(places))
    return read


def _places(steps: bytes, limits: Limits, what: str) -> list[int]:
    at_most = limits.features_per_aspect
    # A number has at least one byte and a bounded many: what is far too long is not even read.
    if len(steps) <= at_most * numbers.NUMBER_BYTES:
        places = numbers.set_from_bytes(steps)
        if len(places) <= at_most:
            return places
    raise WireError(Refusal.LIMIT, f"{what}: one of more than {at_most:,} members")

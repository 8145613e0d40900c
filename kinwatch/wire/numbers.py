"""
Sets of small numbers as bytes: LEB128, and sets by the steps between their members.

Flow: beside **wire**. Seven bits a byte, the lowest first; all but a number's last byte have the high bit set.

A step is at least 1, so no byte of a set is zero, and a zero ends it. There is one spelling of each set.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from kinwatch.wire.refusal import Refusal, WireError

END: Final = b"\0"
_MORE: Final = 0x80
_BITS: Final = 7
_NUMBER_BITS: Final = 28
"""No index is longer; so a number of a million bytes costs nothing."""
NUMBER_BYTES: Final = _NUMBER_BITS // _BITS


def to_bytes(numbers: Sequence[int]) -> bytes:
    """The numbers, one after another."""
    if max(numbers, default=0) < _MORE:
        return bytes(numbers)
    written = bytearray()
    for number in numbers:
        if number < _MORE:
            written.append(number)
        else:
            written += _long(number)
    return bytes(written)


def _long(number: int) -> bytes:
    written = bytearray()
    rest = number
    while rest >= _MORE:
        written.append(rest & (_MORE - 1) | _MORE)
        rest >>= _BITS
    return bytes([*written, rest])


def from_bytes(written: bytes) -> list[int]:
    """The numbers again; WireError if the last one is broken off, or one is too long or not in its shortest form."""
    if written.isascii():
        return list(written)
    numbers: list[int] = []
    number = shift = 0
    for byte in written:
        if byte >= _MORE:
            number |= (byte - _MORE) << shift
            shift += _BITS
            if shift >= _NUMBER_BITS:
                raise WireError(Refusal.VALUE, f"a number of more than {_NUMBER_BITS} bits")
        elif not shift:
            numbers.append(byte)
        elif not byte:
            raise WireError(Refusal.SPELLING, "a number that is not in its shortest form")
        else:
            numbers.append(number | byte << shift)
            number = shift = 0
    if shift:
        raise WireError(Refusal.SHAPE, "a number that is broken off")
    return numbers


def set_to_bytes(members: Sequence[int]) -> bytes:
    """A set by its members in rising order, with its end."""
    return to_bytes([right - left for left, right in pairwise((-1, *members))]) + END


def set_from_bytes(steps: bytes) -> list[int]:
    """The members of a set, rising, from its bytes without the end."""
    members = list(accumulate(from_bytes(steps), initial=-1))
    del members[0]
    return members


def ended(parts: bytes, end: bytes, *, at_most: int, what: str) -> list[bytes]:
    """The parts that each end with `end`; counted before they are split, since each takes memory besides its bytes."""
    count = parts.count(end)
    if count > at_most:
        raise WireError(Refusal.LIMIT, f"{count:,} {what}, of {at_most:,} that are taken")
    split = parts.split(end)
    if split.pop():
        raise WireError(Refusal.SHAPE, f"{what}: the last one is broken off")
    return split

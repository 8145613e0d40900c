"""
Ways to break a batch's bytes, on every layer of them.

Flow: wire_batches -> **wire_damage** -> fuzz_wire. Each takes a source of chance, the bytes of a batch and those of
another, and gives other bytes. Those that work inside the frame make a new one, with the right checksum, around
what they have changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import msgpack
import zstandard

from kinwatch.wire import numbers
from kinwatch.wire.frame import inflated

Damage = Callable[[random.Random, bytes, bytes], bytes]

BYTES: Final = (b"\0", b"\x7f", b"\x80", b"\xc0", b"\xc1", b"\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff")
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 127, 128, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 1.5, 30.0, -1.0,
    1e308, float("inf"), float("nan"), "", "a", "\0", "read", b"", b"\0", b"\1\0", b"\xff", b"a\xff", b"\x80\x00",
    [], [0], [[]], {}, {"a": 1}, msgpack.ExtType(5, b"x"), msgpack.Timestamp(0),
)  # fmt: skip


def bytes_on_wire(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """Flip, cut, repeat or mix bytes of the frame."""
    return _mangled(rng, body, other)


def bytes_in_frame(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """The same inside a right frame."""
    return _framed(_mangled(rng, inflated(body), inflated(other)))


def value(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """Another value in one place of the document."""
    return _changed(rng, body, lambda members, place: members.__setitem__(place, rng.choice(VALUES)))


def number(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """A number that is a little more or less."""

    def change(members: list[Any], place: int) -> None:
        if type(members[place]) in (int, float):
            members[place] += rng.choice([-1, 1, 1, 2, 128])

    return _changed(rng, body, change)


def length(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """A member too few, one twice, or two in each other's place."""

    def change(members: list[Any], place: int) -> None:
        match rng.randrange(3):
            case 0:
                del members[place]
            case 1:
                members.insert(place, members[place])
            case _:
                members[place], members[0] = members[0], members[place]

    return _changed(rng, body, change)


def crossed(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """A field of another batch's document."""
    document = _document(other)
    return _changed(rng, body, lambda members, place: members.__setitem__(place, rng.choice(document)), depth=1)


def table(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """Other bytes in a table: strings, sets, origins."""

    def change(document: list[Any]) -> None:
        place = rng.choice([one for one, field in enumerate(document) if type(field) is bytes])
        document[place] = _mangled(rng, document[place], _document(other)[place])

    return _rewritten(body, change)


def steps(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """A set with other members, rightly spelled."""

    def change(document: list[Any]) -> None:
        place = rng.choice([11, 13])
        sets = document[place].split(numbers.END)[:-1]
        if sets:
            at = rng.randrange(len(sets))
            members = {*numbers.set_from_bytes(sets[at]), rng.randrange(40)} - {rng.randrange(40)}
            sets[at] = numbers.set_to_bytes(sorted(members)).removesuffix(numbers.END)
        document[place] = b"".join(one + numbers.END for one in sets)

    return _rewritten(body, change)


def spelling(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """The same msgpack with a number, a text or a float in a longer or shorter form."""
    payload = inflated(body)
    version, document = payload[:1], msgpack.unpackb(payload[1:])
    packer = msgpack.Packer(use_single_float=True)
    if rng.choice([True, False]):
        return _framed(version + packer.pack(document))
    longer = [b"\xcd" + document[2].to_bytes(2, "big")] if document[2] < 2**16 else []
    packed = [msgpack.packb(field) for field in document]
    packed[2:3] = longer or [b"\xcf" + document[2].to_bytes(8, "big")]
    return _framed(version + bytes([0x90 | len(packed)]) + b"".join(packed))


def framing(rng: random.Random, body: bytes, other: bytes) -> bytes:
    """The same payload in a frame as it should not be, or with something behind or before it."""
    payload = inflated(body)
    match rng.randrange(6):
        case 0:
            return zstandard.ZstdCompressor(write_checksum=False).compress(payload)
        case 1:
            return zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(payload)
        case 2:
            dictionary = zstandard.ZstdCompressionDict(inflated(other) + payload, zstandard.DICT_TYPE_RAWCONTENT)
            return zstandard.ZstdCompressor(dict_data=dictionary, write_checksum=True).compress(payload)
        case 3:
            return body + other
        case 4:
            return b"\x50\x2a\x4d\x18\x04\0\0\0skip" + body
        case _:
            return body + rng.choice(BYTES)


def relevelled(rng: random.Random, body: bytes, _: bytes) -> bytes:
    """The same payload, compressed more or less; it is to be accepted."""
    return zstandard.ZstdCompressor(level=rng.choice([-1, 1, 3, 15]), write_checksum=True).compress(inflated(body))


DAMAGES: Final[tuple[Damage, ...]] = (
    bytes_on_wire,
    bytes_in_frame,
    bytes_in_frame,
    value,
    value,
    number,
    number,
    length,
    crossed,
    table,
    table,
    steps,
    spelling,
    framing,
    relevelled,
)
"""What is named twice is done twice as often."""


def _framed(payload: bytes) -> bytes:
    """A right frame, compressed as little as takes the least time."""
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(payload)


def _mangled(rng: random.Random, body: bytes, other: bytes) -> bytes:
    broken = bytearray(body)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(broken) + 1)
        match rng.randrange(6):
            case 0:
                del broken[at:]
            case 1:
                broken[at:at] = rng.choice(BYTES)
            case 2:
                broken[at : at + 1] = rng.randbytes(1)
            case 3 if at < len(broken):
                broken[at] ^= 1 << rng.randrange(8)
            case 4:
                broken[at : at + rng.randrange(9)] = other[at : at + rng.randrange(9)]
            case _:
                del broken[at : at + rng.randrange(4)]
    return bytes(broken)


def _document(body: bytes) -> list[Any]:
    document: list[Any] = msgpack.unpackb(inflated(body)[1:])
    return document


def _rewritten(body: bytes, change: Callable[[list[Any]], None]) -> bytes:
    document = _document(body)
    change(document)
    return _framed(inflated(body)[:1] + msgpack.packb(document))


def _changed(rng: random.Random, body: bytes, change: Callable[[list[Any], int], None], *, depth: int = 4) -> bytes:
    """The bytes with a change at one place of one list, not deeper than told."""

    def descend(members: list[Any]) -> None:
        for _ in range(rng.randrange(depth)):
            lists = [one for one in members if type(one) is list and one]
            if not lists:
                break
            members = rng.choice(lists)
        change(members, rng.randrange(len(members)))

    return _rewritten(body, descend)

"""What comes over the wire is one zstd frame, or is refused before it costs anything."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import msgpack
import pytest
import zstandard
from wire_golden import BATCH, document, framed, golden

from kinwatch.wire import LIMITS, Inflating, Limits, Refusal, WireError, decode
from kinwatch.wire.frame import inflated

MIB = 1024 * 1024
PAYLOAD = inflated(golden())


def _compressed(**settings: bool | int) -> bytes:
    return zstandard.ZstdCompressor(**settings).compress(PAYLOAD)


def _with_dictionary() -> bytes:
    samples = [str(number).encode() * 50 for number in range(500)]
    dictionary = zstandard.train_dictionary(4096, samples)
    return zstandard.ZstdCompressor(dict_data=dictionary, write_checksum=True).compress(PAYLOAD)


def _wrong_checksum() -> bytes:
    return golden()[:-1] + bytes([golden()[-1] ^ 1])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "does not begin with"),
        (b"{}", "does not begin with"),
        (PAYLOAD, "does not begin with"),
        (b"\x50\x2a\x4d\x18\x04\0\0\0skip" + golden(), "does not begin with"),
        (golden()[:5], "header"),
        (golden()[:-1], "not one whole zstd frame"),
        (golden() + b"\0", "not one whole zstd frame"),
        (golden() + golden(), "not one whole zstd frame"),
        (_wrong_checksum(), "checksum"),
        (_compressed(write_checksum=False), "no checksum"),
        (_compressed(write_checksum=True, write_content_size=False), "does not say its size"),
        (_with_dictionary(), "with a dictionary"),
        (b"\x28\xb5\x2f\xfd\x84\xa0" + (MIB).to_bytes(4, "little") + bytes(20), "zstd window"),
    ],
)
def test_other_than_one_whole_frame_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message) as refused:
        decode(body)
    assert refused.value.reason is Refusal.FRAME


@pytest.mark.parametrize("level", [-5, 1, 3, 19, 22])
def test_any_level_of_compression_is_read(level: int) -> None:
    assert decode(zstandard.ZstdCompressor(level=level, write_checksum=True).compress(PAYLOAD)) == BATCH


def test_too_many_bytes_are_refused_as_they_come() -> None:
    inflating = Inflating(Limits(compressed_bytes=200))
    inflating.feed(golden()[:150])
    with pytest.raises(WireError) as refused:
        inflating.feed(golden()[150:])
    assert refused.value.reason is Refusal.COMPRESSED_SIZE


def test_a_bomb_is_refused_by_its_first_bytes() -> None:
    """The frame says what it would become."""
    bomb = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(LIMITS.decompressed_bytes + 1))
    with pytest.raises(WireError) as refused:
        Inflating().feed(bomb[:18])
    assert refused.value.reason is Refusal.DECOMPRESSED_SIZE


def test_a_frame_that_becomes_more_than_it_says_is_refused() -> None:
    bomb = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(bytes(8 * MIB)))
    assert bomb[4] >> 6 == 2, "the size has four bytes"
    at = bomb.index((8 * MIB).to_bytes(4, "little"))
    bomb[at : at + 4] = (1000).to_bytes(4, "little")
    assert _peak_mib(bytes(bomb)) < 10


def _in_lists(value: bytes, *, head: bytes) -> bytes:
    return b"\1" + head * 1023 + value


def _table(place: str, table: bytes) -> bytes:
    return b"\1" + msgpack.packb(list((document() | {place: table}).values()))


BOMBS: dict[str, Callable[[], bytes]] = {
    "lists in lists": lambda: b"\1" + b"\x91" * 1_000_000,
    "long lists in each other": lambda: _in_lists(b"", head=b"\xdc\x08\0"),
    "longer lists in each other": lambda: _in_lists(b"", head=b"\xdd\x7f\xff\xff\xff"),
    "a list of a million": lambda: b"\1" + msgpack.packb([0] * 1_000_000),
    "maps in maps": lambda: b"\1" + b"\x81\xa0" * 1_000_000,
    "long text": lambda: b"\1\xdb\xff\xff\xff\xff",
    "extension": lambda: b"\1\xc9\xff\xff\xff\xff\1",
    "empty strings": lambda: _table("strings", b"\xff" * 15 * MIB),
    "empty sets": lambda: _table("sets", bytes(15 * MIB)),
    "one large set": lambda: _table("sets", b"\1" * 15 * MIB + b"\0"),
    "one large number": lambda: _table("sets", b"\xff" * 15 * MIB + b"\1\0"),
    "origins": lambda: _table("origins", b"\0" * 15 * MIB),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_inside_the_frame_is_refused_at_a_bounded_cost(bomb: Callable[[], bytes]) -> None:
    """Three times what is decompressed, and a few lists."""
    assert _peak_mib(framed(bomb())) < 70


def _peak_mib(body: bytes) -> float:
    """The most memory that was taken while the bytes were refused."""
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(body)
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()

"""
Put a record into the bytes of a segment, and read it back.

Flow: spool -> **layout** <-> segments. The format is docs/spool.md's; a change of it is a new VERSION.

All numbers are little-endian. CRCs are those of zlib (CRC-32, polynomial 0xEDB88320): the standard library has them,
and at some 2 GB/s they are no part of the cost.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from agent.spool.values import Dropped, Reason, Tally

VERSION: Final = 1
MAGIC: Final = b"KWSPOOL\n"
_SEGMENT: Final = struct.Struct("<8sHxx16sQ")
"""Magic, version, two bytes of padding, incarnation, sequence of the first record; then the CRC of these."""
_RECORD: Final = struct.Struct("<4sIQd8QI")
"""Magic, length of the body, sequence, end of the window, dropped (batches, bytes by Reason), CRC of the body; then the
CRC of these."""
_RECORD_MAGIC: Final = b"KWb\n"
_CRC: Final = struct.Struct("<I")
SEGMENT_HEAD: Final = _SEGMENT.size + _CRC.size
RECORD_HEAD: Final = _RECORD.size + _CRC.size
LONGEST_BODY: Final = (1 << 32) - 1
_REASONS: Final = tuple(Reason)


class IllegibleError(ValueError):
    """These bytes are not what should stand there; says why."""


class OtherVersionError(IllegibleError):
    """These bytes are of another version of the format."""

    def __init__(self, version: int) -> None:
        super().__init__(f"format version {version}, and this agent knows {VERSION}")
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands before a record's body."""

    length: int
    """Of the body, in bytes."""
    sequence: int
    until_s: float
    carried: Dropped
    """What this batch tells the aggregator to have been dropped."""
    crc: int
    """Of the body."""

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return RECORD_HEAD + self.length


def segment_head(incarnation: str, first: int) -> bytes:
    """The first bytes of a segment."""
    return _sealed(_SEGMENT.pack(MAGIC, VERSION, uuid.UUID(incarnation).bytes, first))


def read_segment_head(data: bytes) -> tuple[str, int]:
    """Incarnation and sequence of its first record; IllegibleError or OtherVersionError."""
    if data[: len(MAGIC)] != MAGIC:
        raise IllegibleError("it does not begin as a segment does")
    version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "little")
    if version != VERSION:
        raise OtherVersionError(version)
    _, _, incarnation, first = _SEGMENT.unpack(_unsealed(data, SEGMENT_HEAD))
    return str(uuid.UUID(bytes=incarnation)), first


def record(head: Head, body: bytes) -> bytes:
    """A whole record."""
    tallies = head.carried.by_reason
    counts = [count for reason in _REASONS for count in (tallies[reason].batches, tallies[reason].bytes)]
    fixed = _RECORD.pack(_RECORD_MAGIC, head.length, head.sequence, head.until_s, *counts, head.crc)
    return _sealed(fixed) + body


def head_of(body: bytes, *, sequence: int, until_s: float, carried: Dropped) -> Head:
    """The head of a body."""
    return Head(length=len(body), sequence=sequence, until_s=until_s, carried=carried, crc=zlib.crc32(body))


def read_head(data: bytes) -> Head:
    """A record's head; IllegibleError."""
    magic, length, sequence, until_s, *counts, crc = _RECORD.unpack(_unsealed(data, RECORD_HEAD))
    if magic != _RECORD_MAGIC:
        raise IllegibleError("it does not begin as a record does")
    tallies = map(Tally, counts[::2], counts[1::2])
    carried = Dropped(**{reason.value: tally for reason, tally in zip(_REASONS, tallies, strict=True)})
    return Head(length=length, sequence=sequence, until_s=until_s, carried=carried, crc=crc)


def read_body(file: BinaryIO, offset: int, head: Head) -> bytes:
    """The body of the record at this offset; IllegibleError."""
    file.seek(offset + RECORD_HEAD)
    body = file.read(head.length)
    if len(body) != head.length or zlib.crc32(body) != head.crc:
        raise IllegibleError(f"the body of record {head.sequence} is not what was written")
    return body


def heads(file: BinaryIO, offset: int, size: int) -> Iterator[tuple[int, Head]]:
    """
    The records from an offset on, each with where it stands; bodies are passed over.

    Ends at the first that is not whole: where that is, is for the caller to compare with the file's size.
    """
    while offset + RECORD_HEAD <= size:
        file.seek(offset)
        try:
            head = read_head(file.read(RECORD_HEAD))
        except IllegibleError:
            return
        if offset + head.size > size:
            return
        yield offset, head
        offset += head.size


def _sealed(fixed: bytes) -> bytes:
    return fixed + _CRC.pack(zlib.crc32(fixed))


def _unsealed(data: bytes, size: int) -> bytes:
    fixed, crc = data[: size - _CRC.size], data[size - _CRC.size : size]
    if len(data) < size or _CRC.pack(zlib.crc32(fixed)) != crc:
        raise IllegibleError("its checksum does not fit")
    return fixed

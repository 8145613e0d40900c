"""
Why bytes are no batch, in a closed set of reasons.

Flow: beside **wire**. A server counts refusals by reason and tells the message to the agent that sent the bytes.
"""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """What is wrong with the bytes, or with a batch that is to become bytes."""

    COMPRESSED_SIZE = "compressed_size"
    """More bytes than are taken; nothing of them was decompressed."""
    DECOMPRESSED_SIZE = "decompressed_size"
    """They say that they would become more bytes than are taken; nothing of them was decompressed."""
    FRAME = "frame"
    """Not exactly one whole zstd frame with its size and checksum, without a dictionary; or the checksum is wrong."""
    VERSION = "version"
    """A schema version that is not read here."""
    SHAPE = "shape"
    """Not msgpack, or not the value that the schema has in this place."""
    LIMIT = "limit"
    """More of something than a batch may have."""
    VALUE = "value"
    """The right kind of value, but one that means nothing: a sequence of 0, an index that points at nothing."""
    SPELLING = "spelling"
    """A batch, but not in the one way in which it is written."""


class WireError(ValueError):
    """Bytes that are no batch, or a batch that no reader would take: `reason` for a counter, the rest for a person."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(f"{reason.value}: {message}")
        self.reason = reason
        self.message = message

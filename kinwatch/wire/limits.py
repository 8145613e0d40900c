"""
How much a reader takes of everything, so that whatever is sent costs it a bounded amount of memory and time.

Flow: beside **wire**. The figures stand in docs/wire.md too; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one batch may have of each thing. The agent's own bounds are in docs/limits.md."""

    compressed_bytes: int = 4 * 1024 * 1024
    """Bytes on the wire. A node of 30 busy replicas sends some 10 KiB. A reader holds no more while they come in."""
    decompressed_bytes: int = 16 * 1024 * 1024
    """Bytes of msgpack; the frame must say how many, and that is checked first. 500 replicas with 500 features of their
    own, of 60 bytes each, are 15 MB; zstd could make 100 GB of `compressed_bytes`."""
    window_bytes: int = 8 * 1024 * 1024
    """What zstd looks back on: the memory that every decoder is asked to have (RFC 8878, 3.1.1.1.2). A frame that is
    decompressed in one piece has its content for a window, and is bounded by `decompressed_bytes` alone."""
    replicas: int = 4096
    """Replicas with a snapshot, or expected, or both. An agent has places for 4,095.
    Also the longest list of msgpack, which makes room for a list when it reads its head: 1,024 lists in each other,
    where it gives up, cost 32 MiB."""
    strings: int = 131_072
    """Distinct strings, and distinct origins: as many as the kernel side remembers features, of all replicas together
    (MAX_SEEN). A string of one byte takes 50 in Python."""
    string_bytes: int = 32_768
    """Bytes of one string. An argument list has 4,096, each spelled with four (`\\xNN`) where it is not UTF-8, and a
    secret in it may be replaced by a longer word."""
    features_per_aspect: int = 16_384
    """Members of one set, of features or origins: as many files as a replica can use in a window (MAX_FILES)."""
    features: int = 1_048_576
    """Members of all sets of all snapshots, a set counted as often as it is pointed at: so that a set which is sent
    once and shared by 4,096 replicas does not make work for whoever compares them."""
    counts: int = 64
    """Reasons of loss in one coverage."""


LIMITS: Final = Limits()
"""What an aggregator takes unless told otherwise, and what an agent keeps to."""

"""
A batch as bytes: a schema version, msgpack with every string and every set once, in one zstd frame.

Flow: agent naming -> batch -> **wire** -> aggregator ingest. `codec` wires `frame` (zstd), `versions` (msgpack,
and who reads what) and the writer and reader of a version. docs/wire.md documents the bytes.
"""

from kinwatch.wire.codec import decode, encode, read
from kinwatch.wire.frame import Inflating
from kinwatch.wire.limits import LIMITS, Limits
from kinwatch.wire.refusal import Refusal, WireError
from kinwatch.wire.trim import trimmed
from kinwatch.wire.version_1 import VERSION

__all__ = ["LIMITS", "VERSION", "Inflating", "Limits", "Refusal", "WireError", "decode", "encode", "read", "trimmed"]

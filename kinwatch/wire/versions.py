"""
Which versions of the schema are read, and by what.

Flow: agent naming -> batch -> **wire** -> aggregator ingest; the layer between the frame and a version's reader, and
the one that unpacks msgpack. Agents are rolled out node by node: the current version is read and the one before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn, Protocol

import msgpack

from kinwatch.batch import Batch
from kinwatch.wire import reader_1
from kinwatch.wire.limits import Limits
from kinwatch.wire.refusal import Refusal, WireError


class Reader(Protocol):
    """Reads the documents of one version."""

    def __call__(self, document: object, limits: Limits) -> Batch:
        """The batch; WireError if the document is none."""


READERS: Final[Mapping[int, Reader]] = {1: reader_1.read}
"""Version → its reader: the current one, and the one before it once there is one."""

HIGHEST_VERSION: Final = 127
"""The version is one byte, a msgpack positive fixint."""
_FIXED_LISTS: Final = 64
"""Lists whose length is given by the schema are shorter."""


def read(payload: bytes, limits: Limits, readers: Mapping[int, Reader] = READERS) -> Batch:
    """The batch of a payload, by the reader of its version; WireError if there is none, or it is no batch."""
    if not payload:
        raise WireError(Refusal.SHAPE, "no bytes")
    reader = readers.get(payload[0])
    if reader is None:
        raise WireError(Refusal.VERSION, _unknown(payload[0], readers))
    document = _unpacked(memoryview(payload)[1:], limits)
    batch = reader(document, limits)
    if msgpack.packb(document) != payload[1:]:
        raise WireError(Refusal.SPELLING, "msgpack that is not in its shortest form")
    return batch


def _unknown(version: int, readers: Mapping[int, Reader]) -> str:
    if version > HIGHEST_VERSION:
        return "it does not begin with a schema version"
    known = " and ".join(map(str, sorted(readers)))
    newer = version > max(readers)
    remedy = "update the aggregator before the agents" if newer else "update the agent of this node"
    return f"schema version {version}, of which this aggregator reads {known}; {remedy}"


def _unpacked(packed: memoryview, limits: Limits) -> Any:
    """
    The document. No map and no extension is part of any version.

    msgpack makes room for a list by what its head says: the bound on that bounds what nesting costs.
    """
    longest = max(limits.replicas, 2 * limits.counts, _FIXED_LISTS)
    try:
        return msgpack.unpackb(packed, max_array_len=longest, max_map_len=0, ext_hook=_no_extension)
    except (ValueError, msgpack.UnpackException) as error:
        raise WireError(Refusal.SHAPE, f"not msgpack as it is written here: {error}") from error


def _no_extension(code: int, _: bytes) -> NoReturn:
    message = f"an extension of type {code}"
    raise ValueError(message)

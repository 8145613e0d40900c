"""The current version of the schema is read and the one before it; any other is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wire_golden import BATCH, document, framed, golden

from kinwatch.aspects import Aspect
from kinwatch.batch import Batch
from kinwatch.wire import LIMITS, VERSION, Limits, Refusal, WireError, decode, encode, versions
from kinwatch.wire.frame import inflated
from kinwatch.wire.version_1 import ASPECTS

SUPPORTED = [version for version in (VERSION - 1, VERSION) if version >= 1]


def test_the_current_version_is_read_and_the_one_before_it() -> None:
    assert sorted(versions.READERS) == SUPPORTED


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_golden_file_of_each_version_is_read(version: int) -> None:
    assert inflated(golden(version))[0] == version
    assert decode(golden(version)) == BATCH


def test_the_current_version_is_written_as_in_its_golden_file() -> None:
    """Byte by byte; the frame around it may differ with the release of zstd."""
    assert inflated(encode(BATCH)) == inflated(golden(VERSION))


def test_an_older_agent_is_understood_after_the_schema_moved_on() -> None:
    """A reader of a further version stands beside that of this one, and each reads its own."""

    def read_next(document: object, limits: Limits) -> Batch:
        return replace(versions.READERS[VERSION](document, limits), agent_version="next")

    payload = inflated(golden(VERSION))
    readers = {VERSION: versions.READERS[VERSION], VERSION + 1: read_next}
    assert versions.read(payload, LIMITS, readers) == BATCH
    later = bytes([VERSION + 1]) + payload[1:]
    assert versions.read(later, LIMITS, readers).agent_version == "next"


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (2, "schema version 2, of which this aggregator reads 1; update the aggregator before the agents"),
        (0, "schema version 0, of which this aggregator reads 1; update the agent of this node"),
        (0x91, "does not begin with a schema version"),
        (0xFF, "does not begin with a schema version"),
    ],
)
def test_a_version_that_is_not_read_is_named_with_those_that_are(first: int, message: str) -> None:
    """Nothing behind it is looked at: it may be spelled in ways that are not known yet."""
    with pytest.raises(WireError, match=message) as refused:
        decode(framed(bytes([first, 0xC1])))
    assert refused.value.reason is Refusal.VERSION


def test_every_aspect_has_its_place() -> None:
    """A further aspect is a further version of the schema."""
    assert set(ASPECTS) == set(Aspect)
    assert len(document()["snapshots"][0][5]) == len(ASPECTS)

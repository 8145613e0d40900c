"""A document that differs from the golden one in one place is refused by the name of that place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from wire_golden import BATCH, body_of, decoded, document, framed

from kinwatch.wire import Refusal, WireError, decode

Change = Callable[[dict[str, Any]], object]


def test_the_document_itself_is_read() -> None:
    assert decoded(document()) == BATCH


def _put(place: str, *, value: Any) -> Change:
    return lambda fields: fields.update({place: value})


def _in(place: str, *path: int, value: Any) -> Change:
    """A change of a member of a list in the document."""

    def change(fields: dict[str, Any]) -> None:
        *above, last = path
        members = fields[place]
        for step in above:
            members = members[step]
        members[last] = value

    return change


def _swap(place: str, old: bytes, new: bytes) -> Change:
    return lambda fields: fields.update({place: fields[place].replace(old, new)})


SHAPE, VALUE, SPELLING = Refusal.SHAPE, Refusal.VALUE, Refusal.SPELLING
CHANGES: dict[str, tuple[Change, Refusal, str]] = {
    "a place too many": (_put("further", value=1), SHAPE, "document: expected 15 values, not 16"),
    "a place too few": (lambda fields: fields.pop("snapshots"), SHAPE, "expected 15 values, not 14"),
    "node: bytes": (_put("node", value=b"node-1"), SHAPE, "node: expected text"),
    "node: empty": (_put("node", value=""), VALUE, "node: expected 1 to 253 bytes"),
    "node: long": (_put("node", value="é" * 127), VALUE, "node: expected 1 to 253 bytes"),
    "boot: short": (_put("boot", value=b"1"), VALUE, "boot id"),
    "boot: text": (_put("boot", value="6f1c9a52-7f0e-4c1b-9a57-0d6f2c1e8b34"), SHAPE, "boot id: expected bytes"),
    "sequence: 0": (_put("sequence", value=0), VALUE, "sequence: expected 1 to"),
    "sequence: true": (_put("sequence", value=True), SHAPE, "sequence: expected a whole number"),
    "sequence: a float": (_put("sequence", value=1.0), SHAPE, "sequence: expected a whole number"),
    "sequence: beyond bigint": (_put("sequence", value=2**63), VALUE, "sequence"),
    "start: between two": (_put("start_ms", value=1_795_427_160_001), VALUE, "start at multiples"),
    "start: before the epoch": (_put("start_ms", value=-30_000), VALUE, "window's start"),
    "start: after the calendar": (_put("start_ms", value=2**62), VALUE, "window's start"),
    "length: 0": (_put("length_ms", value=0), VALUE, "window's length"),
    "length: a day": (_put("length_ms", value=86_400_000), VALUE, "window's length"),
    "late: 1": (_put("late", value=1), SHAPE, "late: expected true or false"),
    "late, and replicas expected": (_put("late", value=True), VALUE, "late batch"),
    "version: nil": (_put("agent_version", value=None), SHAPE, "agent's version: expected text"),
    "version: long": (_put("agent_version", value="x" * 32_769), Refusal.LIMIT, "agent's version"),
    "coverage: a place too many": (_in("coverage", 1, value=[1]), SHAPE, "node's losses"),
    "coverage: not sorted": (_in("coverage", 1, value=["b", 1, "a", 1]), SPELLING, "node's losses"),
    "coverage: twice": (_in("coverage", 1, value=["a", 1, "a", 1]), SPELLING, "node's losses"),
    "coverage: a whole number": (_in("coverage", 0, value=30), SHAPE, "expected a float64"),
    "coverage: NaN": (_in("coverage", 0, value=float("nan")), VALUE, "observed seconds"),
    "coverage: minus zero": (_in("coverage", 0, value=-0.0), VALUE, "observed seconds"),
    "coverage: infinite": (_in("coverage", 0, value=float("inf")), VALUE, "observed seconds"),
    "strings: no end": (_swap("strings", b"files\xff", b"files"), SHAPE, "broken off"),
    "strings: not UTF-8": (_swap("strings", b"\xc3\xa9", b"\xc3"), SHAPE, "not UTF-8"),
    "strings: a surrogate": (_swap("strings", b"\xc3\xa9", b"\xed\xa0\x80"), SHAPE, "not UTF-8"),
    "strings: one twice": (_swap("strings", b"passwd", b"shop"), SPELLING, "written twice"),
    "strings: one unused": (_swap("strings", b"files\xff", b"files\xffx\xff"), SPELLING, "nothing points at 1"),
    "strings: one missing": (_swap("strings", b"files\xff", b""), VALUE, "a pointer to none of the 17 strings"),
    "strings: not in order": (_swap("strings", b"read\xffwrite", b"write\xffread"), SPELLING, "not in rising order"),
    "expected: more than there are": (_put("expected", value=3), VALUE, "none of the 2 replicas"),
    "expected: -1": (_put("expected", value=-1), VALUE, "how many replicas"),
    "replicas: a name too many": (_in("replicas", 0, value=[0] * 11 + [True]), SHAPE, "a replica: expected 11"),
    "replicas: nothing as false": (_in("replicas", 1, 0, value=False), SHAPE, "strings: expected a whole number"),
    "replicas: resolved 1": (_in("replicas", 0, 10, value=1), SHAPE, "whether a workload is known"),
    "replicas: a string before its turn": (_in("replicas", 0, 0, value=2), SPELLING, "not in the order"),
    "replicas: one twice": (
        lambda fields: fields["replicas"].append(fields["replicas"][0]),
        SPELLING,
        "a replica that is written twice",
    ),
    "sets: no end": (_put("sets", value=b"\x0b"), SHAPE, "broken off"),
    "sets: one unused": (
        _put("sets", value=b"\x0b\1\0\0\r\1\0\r\2\0\x0b\0"),
        SPELLING,
        "nothing points at 1 of the sets",
    ),
    "sets: past the strings": (_put("sets", value=b"\x0b\1\0\0\x7f\1\0\r\2\0"), VALUE, "past the strings"),
    "sets: a string left out": (_put("sets", value=b"\x0b\2\0\0\r\1\0\r\2\0"), SPELLING, "not in the order"),
    "sets: a long spelling": (_put("sets", value=b"\x8b\0\1\0"), SHAPE, "broken off"),
    "sets: a number without end": (_put("sets", value=b"\xff\xff\xff\xff\1\0"), VALUE, "28 bits"),
    "origins: half of one": (_swap("origins", b"!", b""), SHAPE, "broken off"),
    "origins: a long spelling": (_put("origins", value=b"\x0f\xa1\0"), SPELLING, "shortest form"),
    "origin sets: past the origins": (_put("origin_sets", value=b"\2\0\0"), VALUE, "past the origins"),
    "origin sets: one twice": (_put("origin_sets", value=b"\1\0\1\0"), SPELLING, "written twice"),
    "snapshots: a place too few": (_in("snapshots", 0, value=[0]), SHAPE, "a snapshot: expected 7"),
    "snapshots: two of one replica": (_in("snapshots", 1, 0, value=0), VALUE, "two snapshots of one replica"),
    "snapshots: of nobody": (_in("snapshots", 1, 0, value=2), VALUE, "none of the 2 replicas"),
    "snapshots: -1 calls": (_in("snapshots", 0, 2, value=-1), VALUE, "system calls"),
    "snapshots: a loss of nothing": (_in("snapshots", 0, 3, value=[99, 1]), VALUE, "none of the 18 strings"),
    "snapshots: a further aspect cut": (_in("snapshots", 0, 4, value=[13, 1]), VALUE, "truncated aspects"),
    "snapshots: an aspect cut twice": (_in("snapshots", 0, 4, value=[3, 1, 3, 1]), SPELLING, "truncated aspects"),
    "snapshots: a further aspect": (_in("snapshots", 0, 5, value=[1] * 14), SHAPE, "expected 13"),
    "snapshots: a further set": (_in("snapshots", 1, 5, 0, value=5), VALUE, "none of the 4 sets"),
    "snapshots: no origins as nil": (_in("snapshots", 1, 6, value=None), SHAPE, "sets of origins"),
}


@pytest.mark.parametrize(("change", "reason", "message"), CHANGES.values(), ids=CHANGES)
def test_a_changed_document_is_refused(change: Change, reason: Refusal, message: str) -> None:
    fields = document()
    change(fields)
    with pytest.raises(WireError, match=message) as refused:
        decode(body_of(fields))
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", SHAPE),
        (b"\1", SHAPE),
        (b"\1\xc1", SHAPE),
        (b"\1\xc0", SHAPE),
        (b"\1\x80", SHAPE),
        (b"\1\xd6\xff\0\0\0\0", SHAPE),
        (b"\1" + msgpack.packb(list(document().values())) + b"\xc0", SHAPE),
        (b"\1\xdc\0\x0f" + msgpack.packb(list(document().values()))[1:], SPELLING),
    ],
)
def test_msgpack_is_one_document_in_its_shortest_form(payload: bytes, reason: Refusal) -> None:
    with pytest.raises(WireError) as refused:
        decode(framed(payload))
    assert refused.value.reason is reason

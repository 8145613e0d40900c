"""docs/wire.md says what is: every byte of the golden batch, every limit, every reason."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from wire_golden import FIELDS, golden

from bench.wire_batches import busy_node
from kinwatch.wire import LIMITS, VERSION, Limits, Refusal
from kinwatch.wire.frame import inflated
from kinwatch.wire.version_1 import ASPECTS, REPLICA, WORKLOAD
from kinwatch.wire.writer_1 import payload

DOCUMENT = (Path(__file__).parents[3] / "docs/wire.md").read_text()
ROWS = [[cell.strip(" `") for cell in line.split(" | ")] for line in DOCUMENT.splitlines() if line.startswith("| ")]


def test_every_byte_of_the_golden_batch_is_shown() -> None:
    dump = DOCUMENT.partition("```text\n")[2].partition("```")[0]
    shown = "".join(re.match(r"(?:[0-9a-f]{2} )*[0-9a-f]{2}(?=  |$)", line)[0] for line in dump.splitlines())
    assert bytes.fromhex(shown) == inflated(golden(VERSION))


def test_every_limit_is_documented_with_its_value() -> None:
    documented = {name.strip("| `"): value for name, value, *_ in (row for row in ROWS if len(row) >= 2)}
    for field in dataclasses.fields(Limits):
        assert documented[field.name] == f"{getattr(LIMITS, field.name):,}"


def test_the_size_of_a_busy_node_is_documented() -> None:
    """What zstd makes of it may differ a little with its release."""
    assert f"| bytes, of {len(payload(busy_node(services=1))):,} |" in DOCUMENT


def test_every_reason_is_documented() -> None:
    table = DOCUMENT.partition("| reason | when |\n|---|---|\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [reason.value for reason in Refusal]


def test_every_place_of_the_document_is_named_in_its_order() -> None:
    assert re.findall(r"^\| \d+ \| `(\w+)`", DOCUMENT, re.MULTILINE) == FIELDS


def test_aspects_and_names_stand_in_the_order_of_their_places() -> None:
    words = " ".join(DOCUMENT.split())
    assert ", ".join(ASPECTS) in words
    assert ", ".join(REPLICA) in words
    assert ", ".join(WORKLOAD) in words

"""
Break batches in every way, and see that each is refused, or is a batch in its one spelling.

Flow: wire_batches -> **fuzz_wire**. Bytes are changed on the wire, inside the frame, inside the document and in how the
frame is made. Of each result one of two things holds: WireError, or a batch that an independent look finds valid, and
whose bytes are the ones that came. Any other exception is a finding. The same seed makes the same bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Final

from bench.wire_batches import busy_node, random_batch
from bench.wire_damage import DAMAGES
from bench.wire_valid import assert_valid
from kinwatch.wire import LIMITS, Limits, WireError, decode, encode
from kinwatch.wire.frame import inflated
from kinwatch.wire.writer_1 import payload

RUNS: Final = 1_000_000
CHUNK: Final = 10_000
GOLDEN: Final = Path(__file__).resolve().parent.parent / "tests/fixtures/wire"
SEEDS: Final = 60
"""Random batches that the runs of a chunk start from."""
TIGHT: Final = (
    Limits(decompressed_bytes=700),
    Limits(replicas=2),
    Limits(strings=24),
    Limits(string_bytes=100),
    Limits(features_per_aspect=3),
    Limits(features=12),
    Limits(counts=1),
)
"""So that each limit is met by itself; every fourth run has one of them."""

Outcome = tuple[str, str]
"""What was done to the bytes, and what became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Bytes of which neither holds."""

    damage: str
    body: bytes
    trace: str


def tried(body: bytes, limits: Limits) -> str:
    """`accepted`, or why the bytes were refused; raises whatever else happens."""
    try:
        batch = decode(body, limits=limits)
    except WireError as error:
        return error.reason.value
    assert_valid(batch, limits)
    if decode(encode(batch)) != batch:
        message = "the batch does not survive its own bytes"
        raise AssertionError(message)
    if payload(batch) != inflated(body):
        message = "a batch that is written otherwise was accepted"
        raise AssertionError(message)
    return "accepted"


def chunk(seed: int, runs: int) -> tuple[Counter[Outcome], list[Finding]]:
    """Some runs, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - the same every time
    bodies = list(_bodies(rng))
    outcomes: Counter[Outcome] = Counter()
    findings = []
    for run in range(runs):
        damage = rng.choice(DAMAGES)
        body = damage(rng, rng.choice(bodies), rng.choice(bodies))
        try:
            outcomes[damage.__name__, tried(body, LIMITS if run % 4 else rng.choice(TIGHT))] += 1
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            findings.append(Finding(damage=damage.__name__, body=body, trace=traceback.format_exc()))
    return outcomes, findings


def _bodies(rng: random.Random) -> Iterator[bytes]:
    for path in sorted(GOLDEN.glob("version-*.batch")):
        yield path.read_bytes()
    yield encode(busy_node(replicas=2, services=1, seed=rng.randrange(1000)))
    for _ in range(SEEDS):
        yield encode(random_batch(rng))


def _all(runs: int, seed: int) -> tuple[Counter[Outcome], list[Finding]]:
    """Every chunk, on all the cores that this process may use."""
    sizes = [min(CHUNK, runs - start) for start in range(0, runs, CHUNK)]
    outcomes: Counter[Outcome] = Counter()
    findings: list[Finding] = []
    with Pool(len(os.sched_getaffinity(0))) as pool:
        for some, found in pool.starmap(chunk, [(seed + number, size) for number, size in enumerate(sizes)], 1):
            outcomes += some
            findings += found
    return outcomes, findings


def _table(outcomes: Counter[Outcome]) -> Iterator[str]:
    results = sorted({result for _, result in outcomes})
    yield "".join(f"{name:>18}" for name in ("", *results))
    for damage in sorted({damage for damage, _ in outcomes}):
        yield f"{damage:>18}" + "".join(f"{outcomes[damage, result]:>18,}" for result in results)


def _told(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:10]:
        yield f"\nafter {finding.damage}: {finding.body.hex()}\n{finding.trace}"
    yield f"{len(findings):,} findings"


def main() -> int:
    """1 if there is any finding."""
    parser = argparse.ArgumentParser(prog="make fuzz-wire", description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default: {RUNS:,}")
    parser.add_argument("--seed", type=int, default=0, help="of the first chunk of runs (default: 0)")
    given = parser.parse_args()
    began = time.monotonic()
    outcomes, findings = _all(given.runs, given.seed)
    lines = [*_table(outcomes), f"{given.runs:,} runs in {time.monotonic() - began:.0f} s", *_told(findings)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""
Measure what the aggregator takes: batches a second, how soon it acknowledges, what it costs.

Flow: fleet -> `aggregator serve` -> **ingest** -> report. The aggregator has one core, the nodes have the others. TLS,
a token, SQLite or PostgreSQL, as in a cluster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml

from bench import machine, options
from bench.bars import Bar
from bench.fleet import Fleet, Sent
from bench.processes import Usage, usage
from bench.report import Cell, Report
from kinwatch.errors import NodeError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/aggregator/store"))

AGGREGATOR = str(Path(sys.executable).with_name("aggregator"))
NODES, REPLICAS, WINDOW_S = 1000, 30, 30.0
HEADROOM = 3
P99_MS, RSS_MB = 250.0, 1000.0
FASTEST = 3000
"""Batches of the run that is as fast as it can be."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run, and what it cost the aggregator."""

    database: str
    what: str
    sent: Sent
    cpu_percent: float
    after: Usage

    def row(self) -> list[Cell]:
        """For the table."""
        return [
            self.database,
            self.what,
            self.sent.per_s,
            self.sent.per_s * REPLICAS,
            self.sent.percentile_ms(0.5),
            self.sent.percentile_ms(0.99),
            self.cpu_percent,
            self.after.peak_mb,
            float(self.failed),
        ]

    @property
    def failed(self) -> int:
        """Batches that were not stored at the first attempt."""
        return sum(count for status, count in self.sent.statuses.items() if status != 201)  # noqa: PLR2004 - created


@contextlib.contextmanager
def aggregator(folder: Path, database_url: str | None) -> Iterator[tuple[subprocess.Popen[str], Fleet]]:
    """A server on one core, and the nodes."""
    authority, token = trustme.CA(), secrets.token_urlsafe(32)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    tokens = folder / "tokens.yaml"
    tokens.write_text(yaml.safe_dump({"agents": [{"name": "fleet", "node": "*", "token": token}]}))
    tokens.chmod(0o600)
    command = [AGGREGATOR, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data")]
    files = ["--tls-cert", str(folder / "both.pem"), "--tls-key", str(folder / "both.pem"), "--tokens", str(tokens)]
    environ = {**os.environ, **({"KINWATCH_DATABASE_URL": database_url} if database_url else {})}
    process = subprocess.Popen(
        ["taskset", "--cpu-list", "0", *command, *files], stderr=subprocess.PIPE, text=True, env=environ
    )
    try:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        host, _, port = _address(process).rpartition(":")
        fleet = Fleet(nodes=NODES, replicas=REPLICAS, address=(host, int(port)), context=context, token=token)
        yield process, fleet
        fleet.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    for line in process.stderr or ():
        said.append(line)
        if '"listening"' in line:
            address: str = json.loads(line)["address"]
            return address
    raise NodeError(f"the aggregator ended: {''.join(said)}", remedy="see what it says")


def measured(database: str, folder: Path, url: str | None, *, seconds: float) -> Iterator[Ran]:
    """The nodes' first batches, each with its TLS handshake; then the load of the bar, three times that, and all."""
    with aggregator(folder, url) as (process, fleet):
        usual = NODES / WINDOW_S
        for what, per_s, count in (
            ("1,000 nodes connect", usual, NODES),
            ("1,000 nodes", usual, usual * seconds),
            (f"{HEADROOM} times as many", HEADROOM * usual, HEADROOM * usual * seconds),
            ("as fast as taken", None, FASTEST),
        ):
            bodies = fleet.bodies(int(count))
            before = usage(process.pid)
            sent = fleet.send(bodies, per_s=per_s)
            after = usage(process.pid)
            yield Ran(database=database, what=what, sent=sent, cpu_percent=after.cpu_percent_since(before), after=after)


def bench(chosen: argparse.Namespace) -> Report:
    """Run on SQLite, and on PostgreSQL where it is installed."""
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
    described = machine.described()
    rans: list[Ran] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder:
        rans += measured("SQLite", Path(folder), None, seconds=chosen.seconds)
    from postgresql_server import PostgresqlServer, hindrance  # type: ignore[import-not-found]  # noqa: PLC0415

    if reason := hindrance():
        notes.append(f"Without PostgreSQL: {reason}.")
    else:
        with PostgresqlServer() as server, tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder:
            server.stop()
            server.start(fsync="on")
            rans += measured("PostgreSQL", Path(folder), server.new_database("bench"), seconds=chosen.seconds)
    return Report(
        name="ingest",
        columns=[
            "database",
            "load",
            "batches/s",
            "replicas/s",
            "p50 ms",
            "p99 ms",
            "CPU %",
            "peak RSS MB",
            "not taken",
        ],
        rows=[ran.row() for ran in rans],
        bars=[bar for ran in rans for bar in _bars(ran)],
        machine=described,
        notes=[
            *notes,
            f"Batches of {REPLICAS} replicas of 200 features, mostly alike. Each node has a TLS connection of its own.",
            "The aggregator has one core, the nodes have the rest.",
        ],
        raw={f"{ran.database} {ran.what}": ran.sent.acknowledged_s for ran in rans},
    )


def _bars(ran: Ran) -> list[Bar]:
    if ran.what.startswith("1,000 nodes"):
        return []
    if ran.what == "as fast as taken":
        name = f"{ran.database}: most batches/s, over the {NODES / WINDOW_S:.1f} of 1,000 nodes"
        return [Bar(what=name, measured=ran.sent.per_s / (NODES / WINDOW_S), at_least=HEADROOM)]
    name = f"{ran.database}, {ran.what}"
    return [
        Bar(what=f"{name}: p99 of the acknowledgement, ms", measured=ran.sent.percentile_ms(0.99), at_most=P99_MS),
        Bar(what=f"{name}: peak RSS, MB", measured=ran.after.peak_mb, at_most=RSS_MB),
        Bar(what=f"{name}: not taken at once", measured=ran.failed, at_most=0),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("ingest", __doc__ or "")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each load lasts")
    return parser


if __name__ == "__main__":
    sys.exit(options.run(_parser(), bench))

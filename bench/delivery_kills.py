"""
SIGKILL at random moments, of agents and of the aggregator: at most the open window is lost, and that is told.

Flow: synthetic_agent, the real agent -> **delivery_kills** -> delivery. Both sides at the same time, so that each meets
the other in every state.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.aggregator_beside import AggregatorBeside, aggregator_beside
from bench.bars import Bar
from bench.cgroups import tree
from bench.delivered import Delivered, judged
from bench.scenario import Scenario, await_that, metric
from bench.stored import stored
from bench.synthetic_agent import WINDOW_S, closed, shipping_of
from bench.watcher import AGENT
from kinwatch.snapshot import Window

NODES: Final = ("n1", "n2", "n3")
LIFE_S: Final = 4.0
"""At most until a kill; a second of it goes by before a process does anything."""
AGENT_LIFE_S: Final = 8.0
"""Longer: what one could not deliver is for the next, and there are to be windows enough."""
REAL_LIFE_S: Final = 4.0
REAL_WINDOW_S: Final = 1.0

Start = Callable[[], subprocess.Popen[bytes]]


def kills(folder: Path, *, number: int, seed: int) -> Scenario:
    """Kill synthetic agents and the aggregator so often each."""
    began = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - no secret, and the same again by the same seed
    aggregator_done = threading.Event()
    killed: list[str] = []
    with aggregator_beside(folder) as aggregator:

        def kill_agents(node: str, seed: float) -> None:
            _kill_agents(_synthetic(node, aggregator, folder), killed, -(-number // len(NODES)), aggregator_done, seed)

        threads = [threading.Thread(target=kill_agents, args=(node, chance.random())) for node in NODES]
        for thread in threads:
            thread.start()
        _kill_aggregator(aggregator, number, chance.random())
        aggregator_done.set()
        for thread in threads:
            thread.join()
        aggregator.start()
        aggregator.await_listening()
        for node in NODES:
            _last_life(node, aggregator, folder, window_s=WINDOW_S)
        aggregator.stop()
        found = judged(stored(aggregator.data), _journals(folder), window_s=WINDOW_S)
    what = f"{number} SIGKILLs of the aggregator, {len(killed)} of agents"
    return _scenario(what, found, lost_at_most=len(killed), seconds=time.monotonic() - began)


def real_kills(folder: Path, *, number: int, seed: int) -> Scenario:
    """Kill the real agent so often, in the middle of watching."""
    began = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - as above
    with aggregator_beside(folder) as aggregator, tree("delivery") as top:
        top.child("replica")
        aggregator.start()
        aggregator.await_listening()
        start = _real(f"{top.path}/*", aggregator, folder)
        for _ in range(number):
            process = start()
            known = _watching(folder)
            await_that(lambda known=known: _watching(folder) > known, "the agent watches")  # type: ignore[misc]
            time.sleep(chance.uniform(0, REAL_LIFE_S))
            process.kill()
            process.wait()
        _last_life("n1", aggregator, folder, window_s=REAL_WINDOW_S)
        aggregator.stop()
        arrived = stored(aggregator.data)
        logged = {f"n1/{line['start']}" for line in _log(folder) if line.get("event") == "window_closed"}
    there = {f"n1/{one.batch.window.start.isoformat()}" for one in arrived}
    found = judged(arrived, {}, window_s=REAL_WINDOW_S)
    missing = len(logged - there)
    return _scenario(
        f"{number} SIGKILLs of the real agent",
        Delivered(
            closed=len(logged),
            stored=found.stored,
            missing=missing,
            twice=found.twice,
            disordered=found.disordered,
            untold=found.untold,
            told=found.told,
        ),
        lost_at_most=number,
        seconds=time.monotonic() - began,
    )


def _scenario(what: str, found: Delivered, *, lost_at_most: int, seconds: float) -> Scenario:
    bars = [
        Bar(
            what=f"{what}: closed windows lost, one open for each kill at most",
            measured=found.missing,
            at_most=lost_at_most,
        ),
        Bar(
            what="the same: windows missing between two batches and not told, or told and not missing",
            measured=found.untold,
            at_most=0,
        ),
        Bar(what="the same: windows twice in the store", measured=found.twice, at_most=0),
        Bar(what="the same: batches out of their node's order, or after a gap", measured=found.disordered, at_most=0),
        Bar(what="the same: batches that arrived all the same", measured=found.stored, at_least=1),
    ]
    return Scenario(what=what, closed=found.closed, arrived=found.stored, told=found.told, seconds=seconds, bars=bars)


# --- Who is killed --------------------------------------------------------------------------------------------------


def _kill_agents(start: Start, killed: list[str], times: int, aggregator_done: threading.Event, seed: float) -> None:
    """Kill one node's agent so often at least, and for as long as the aggregator is killed: nobody else sends to it."""
    chance = random.Random(seed)  # noqa: S311 - as above
    done = 0
    while done < times or not aggregator_done.is_set():
        process = start()
        time.sleep(chance.uniform(0, AGENT_LIFE_S))
        process.kill()
        process.wait()
        done += 1
        killed.append(f"process {process.pid}")


def _kill_aggregator(aggregator: AggregatorBeside, times: int, seed: float) -> None:
    chance = random.Random(seed)  # noqa: S311 - as above
    for _ in range(times):
        aggregator.start()
        time.sleep(chance.uniform(0, LIFE_S))
        aggregator.kill()


def _synthetic(node: str, aggregator: AggregatorBeside, folder: Path) -> Start:
    options = {
        "--node": node,
        "--url": aggregator.url,
        "--credentials": folder,
        "--spool": folder / f"spool-{node}",
        "--journal": folder / f"journal-{node}",
    }
    command = [sys.executable, "-m", "bench.synthetic_agent", *(str(part) for pair in options.items() for part in pair)]

    def start() -> subprocess.Popen[bytes]:
        with (folder / f"log-{node}").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    return start


def _real(glob: str, aggregator: AggregatorBeside, folder: Path) -> Start:
    delivery = (
        *("--aggregator", aggregator.url, "--aggregator-ca", aggregator.ca_file),
        *("--aggregator-token", aggregator.token_file, "--spool", folder / "spool-n1"),
    )
    rest = ("--cgroup", glob, "--node", "n1", "--window", f"{REAL_WINDOW_S:g}", "--run-dir", folder)

    def start() -> subprocess.Popen[bytes]:
        with (folder / "log-n1").open("ab") as log:
            return subprocess.Popen(
                [*AGENT, *map(str, (*delivery, *rest))], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    return start


# --- How it ends ----------------------------------------------------------------------------------------------------


def _last_life(node: str, aggregator: AggregatorBeside, folder: Path, *, window_s: float) -> None:
    """Deliver what waits in a node's spool, and one window more: it tells what the last kill cost."""
    with shipping_of(
        node, url=aggregator.url, credentials=folder, spool=folder / f"spool-{node}", window_s=window_s
    ) as outlet:
        window = Window.containing(datetime.now(UTC), seconds=window_s)
        outlet.closed(closed(window, node=node, mark=f"last-{node}"))
        await_that(lambda: metric(outlet, "batches_total", outcome="stored") > 0, "a batch delivered")
        await_that(lambda: not metric(outlet, "spool_records"), "what waited is delivered")


def _journals(folder: Path) -> Mapping[str, Sequence[str]]:
    return {
        node: [f"{node}/{mark}" for mark in (folder / f"journal-{node}").read_text(encoding="ascii").split()]
        for node in NODES
    }


def _watching(folder: Path) -> int:
    return sum(line.get("event") == "watching" for line in _log(folder))


def _log(folder: Path) -> Sequence[Mapping[str, str]]:
    file = folder / "log-n1"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

"""The demo as a person runs it: the real agent, the real aggregator, three real containers."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import cgroups
from demo.containers import STATE, Containers
from demo.programs import named
from demo.stage import PREFIX, REPLICAS, Outcome

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo"]
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


def _verdict(*anomalous: str) -> str:
    replicas = [{"replica": {"cgroup": f"{PREFIX}/{name}"}, "anomalous": name in anomalous} for name in REPLICAS]
    return json.dumps({"replicas": replicas})


def test_named_are_the_anomalous_of_every_window() -> None:
    """One false name in any window spoils it."""
    first, second, _ = REPLICAS
    assert named("\n".join([_verdict(), _verdict(first), _verdict(second, first)])) == {first, second}


def test_unknown_victim_is_refused_before_anything_starts() -> None:
    done = subprocess.run([*DEMO, "--attack", "shop-x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "shop-7c9f-a" in done.stderr


@pytest.mark.kernel
@pytest.mark.parametrize("attacked", [REPLICAS[0], REPLICAS[2]])
def test_attacked_replica_is_named_and_no_other(attacked: str) -> None:
    """Each in turn, here and in the next test, so that no name is wired in; the verdicts are all that is printed."""
    done = subprocess.run(
        [*DEMO, "--quiet", "--attack", attacked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert named(done.stdout) == {attacked}
    assert "anomalous" in {json.loads(line)["verdict"] for line in done.stdout.splitlines()}


@pytest.mark.kernel
def test_story_ends_with_who_was_attacked_and_who_was_named() -> None:
    done = subprocess.run([*DEMO, "--attack", REPLICAS[1]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"attacked: {REPLICAS[1]}; named: {REPLICAS[1]}")


@pytest.fixture
def playing() -> Iterator[subprocess.Popen[str]]:
    """A demo that has begun to watch."""
    with subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | UNBUFFERED) as process:
        assert process.stdout is not None
        assert any("agent --dry-run" in line for line in process.stdout)
        yield process
        process.kill()
    with Containers(prefix=PREFIX):
        pass  # removes what was left


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_nothing(playing: subprocess.Popen[str], number: signal.Signals) -> None:
    playing.send_signal(number)
    assert playing.wait(30) == 128 + number
    assert cgroups.existing(PREFIX) == []
    assert not (STATE / PREFIX[1:]).exists()
    assert _agents_of(playing.pid) == []


@pytest.mark.kernel
def test_second_demo_says_that_one_is_playing(playing: subprocess.Popen[str]) -> None:
    second = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 3
    assert "held by another run" in second.stderr
    assert playing.poll() is None


@pytest.mark.kernel
def test_killed_demo_takes_its_agent_along(playing: subprocess.Popen[str]) -> None:
    """An agent left behind would hold the node, and the next demo could not watch."""
    agents = _agents_of(playing.pid)
    assert agents != []
    playing.kill()
    playing.wait(10)
    for agent in agents:
        assert _ends_in_time(agent)


def _agents_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _ends_in_time(pid: int) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 10)[0])
    finally:
        os.close(pidfd)


@pytest.mark.parametrize(
    ("blamed", "right"), [(REPLICAS[:1], True), ((), False), (REPLICAS[1:2], False), (REPLICAS[:2], False)]
)
def test_only_the_attacked_and_nobody_else_is_right(blamed: tuple[str, ...], right: bool) -> None:  # noqa: FBT001
    outcome = Outcome(attacked=REPLICAS[0], named=frozenset(blamed), snapshots=(), verdicts="")
    assert outcome.right is right

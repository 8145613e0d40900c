"""Containers start, do as they are told, and leave nothing behind, however their holder ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import cgroups
from demo.containers import STATE, Container, Containers
from kinwatch.errors import InputError, NodeError

ROOT = Path(__file__).parents[2]
PREFIX = f"/kinwatch-test-{os.getpid()}"
HOLDER = """
import sys, time
from demo.containers import Containers
with Containers(prefix=sys.argv[1]) as node:
    container = node.start("left", ["sleep", "600"])
    print(container.pid, flush=True)
    time.sleep(600)
"""


def leftovers(prefix: str) -> list[str]:
    """Whatever of a prefix is still on this node: cgroups, files, mounts, processes."""
    name = prefix.removeprefix("/")
    found = [*cgroups.existing(prefix), *STATE.glob(name)]
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line]
    return [*map(str, found), *mounts, *_processes_in(prefix)]


def _processes_in(prefix: str) -> list[str]:
    return [str(path) for path in Path("/proc").glob("[0-9]*") if _is_alive_in(prefix, path)]


def _is_alive_in(prefix: str, process: Path) -> bool:
    try:
        # A zombie only waits for init, at its leisure, to take note of its end.
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and f":{prefix}/" in (process / "cgroup").read_text()
    except OSError:  # the process has ended meanwhile
        return False


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a container under PREFIX and has said so."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, PREFIX], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        yield process
        process.kill()
    with Containers(prefix=PREFIX):
        pass  # removes what was left


@pytest.mark.kernel
def test_container_is_found_by_its_cgroup() -> None:
    """The path is the one asked for, as /proc/PID/cgroup shows it, in each hierarchy that runc knows."""
    with Containers(prefix=PREFIX) as node:
        container = node.start("a", ["sleep", "60"])
        assert container.cgroup == f"{PREFIX}/a"
        assert f":{container.cgroup}\n" in Path(f"/proc/{container.pid}/cgroup").read_text()
        assert cgroups.existing(container.cgroup) != []


@pytest.mark.kernel
def test_exec_gives_what_the_program_said_and_its_exit_code() -> None:
    with Containers(prefix=PREFIX) as node:
        done = node.start("a", ["sleep", "60"]).exec(["sh", "-c", "hostname; exit 3"])
    assert (done.stdout, done.returncode) == ("replica\n", 3)


@pytest.mark.kernel
def test_created_container_waits_until_it_is_let_go() -> None:
    with Containers(prefix=PREFIX) as node:
        container = node.create("a", ["echo", "here"])
        assert container.running()
        assert container.log.read_text() == ""
        container.begin()
        assert container.wait(timeout_s=10)
        assert container.log.read_text() == "here\n"


@pytest.mark.kernel
def test_killed_container_takes_its_processes_and_cgroups_along() -> None:
    with Containers(prefix=PREFIX) as node:
        container = node.start("a", ["sleep", "60"])
        container.kill()
        assert not container.running()
        assert cgroups.existing(container.cgroup) == []


@pytest.mark.kernel
def test_bound_file_is_seen_in_the_container_and_read_only(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("from outside")
    with Containers(prefix=PREFIX) as node:
        container = node.start("a", ["sleep", "60"], binds={"/srv": tmp_path})
        assert container.exec(["cat", "/srv/word"]).stdout == "from outside"
        assert "Read-only" in container.exec(["touch", "/srv/new"]).stderr


@pytest.mark.kernel
def test_nothing_is_left_after_an_error_inside() -> None:
    with pytest.raises(ZeroDivisionError), Containers(prefix=PREFIX) as node:
        _fail_after(node.start("a", ["sleep", "60"]))
    assert leftovers(PREFIX) == []


def _fail_after(_container: Container) -> None:
    raise ZeroDivisionError


@pytest.mark.kernel
def test_program_that_is_not_there_is_said_and_leaves_nothing() -> None:
    with pytest.raises(NodeError, match="no-such-program"), Containers(prefix=PREFIX) as node:
        node.start("a", ["no-such-program"])
    assert leftovers(PREFIX) == []


@pytest.mark.kernel
def test_nothing_is_left_after_an_interrupt(holder: subprocess.Popen[str]) -> None:
    """Ctrl-C in the middle removes the container, its cgroups, its files and its mounts."""
    assert leftovers(PREFIX) != []
    holder.send_signal(signal.SIGINT)
    holder.wait(20)
    assert leftovers(PREFIX) == []


@pytest.mark.kernel
def test_what_a_killed_holder_left_is_removed_by_the_next(holder: subprocess.Popen[str]) -> None:
    """SIGKILL leaves a running container; whoever takes the prefix next removes it, with its processes."""
    holder.kill()
    holder.wait(20)
    assert _processes_in(PREFIX) != []
    with Containers(prefix=PREFIX) as node:
        assert _processes_in(PREFIX) == []
        assert node.start("left", ["sleep", "60"]).running()
    assert leftovers(PREFIX) == []


@pytest.mark.kernel
def test_damaged_record_of_runc_does_not_keep_a_container_alive(holder: subprocess.Popen[str]) -> None:
    """Where runc no longer knows its container, the cgroup still does."""
    holder.kill()
    holder.wait(20)
    next((STATE / PREFIX[1:] / "runc").glob("*/state.json")).write_text("{")
    with Containers(prefix=PREFIX):
        assert _processes_in(PREFIX) == []
    assert leftovers(PREFIX) == []


@pytest.mark.kernel
@pytest.mark.usefixtures("holder")
def test_prefix_has_one_holder_at_a_time() -> None:
    with pytest.raises(NodeError, match="held by another run"), Containers(prefix=PREFIX):
        pass


@pytest.mark.parametrize("prefix", ["/", "/system.slice", "kinwatch-x", "/kinwatch-x/../y", "/kinwatch-"])
def test_prefix_that_may_be_somebody_elses_is_refused(prefix: str) -> None:
    """What is under the prefix is killed by name, so the name must be one of ours."""
    with pytest.raises(InputError, match="not one of ours"):
        Containers(prefix=prefix)

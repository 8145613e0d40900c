"""Let the tests of the agent import `ground`, on which they watch real processes, and stand on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "pods"))  # where the kubelet and the API server are that tests talk to

from deeds import DEEDS
from ground import Ground, Seen


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """A place for cgroups of our own, gone at the end of the module."""
    with Ground() as place:
        yield place


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder below which each deed has one of its own."""
    return tmp_path_factory.mktemp("deeds")


@pytest.fixture(scope="module")
def everything(ground: Ground, home: Path, request: pytest.FixtureRequest) -> dict[str, Seen]:
    """What was seen of each deed of the module."""
    deeds = DEEDS[request.module.__name__]
    with ground.watch() as agent:
        for name, program in deeds.items():
            (home / name).mkdir()
            cgroup = ground.cgroup(name)
            cgroup.run(program, folder=str(home / name))
            cgroup.remove()
    return {name: agent.seen(name) for name in deeds}


@pytest.fixture
def seen(everything: dict[str, Seen], request: pytest.FixtureRequest) -> Iterator[Seen]:
    """What was seen of the test's deed; nothing of it was lost or cut."""
    seen = everything[request.function.__name__]
    yield seen
    assert seen.shortfall == {}


@pytest.fixture
def folder(home: Path, request: pytest.FixtureRequest) -> str:
    """The folder of the test's deed."""
    return str(home / request.function.__name__)

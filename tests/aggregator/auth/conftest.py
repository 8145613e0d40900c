"""Let the tests of auth import what stands beside them, and give them a cluster to ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from played_cluster import PlayedCluster
from reviewing import reviewing
from set_time import SetTime

from aggregator.auth.reviews import Reviews
from kinwatch.apiserver.connection import Connection, in_cluster


@pytest.fixture
def time() -> SetTime:
    """A clock that stands still until it is set."""
    return SetTime()


@pytest.fixture
def cluster(tmp_path: Path, time: SetTime) -> Iterator[PlayedCluster]:
    """A cluster of today's version, which the aggregator may ask what it has to."""
    with PlayedCluster(tmp_path, now_s=time.wall_s) as played:
        yield played


@pytest.fixture
def connect(cluster: PlayedCluster, tmp_path: Path) -> Iterator[Callable[[], Connection]]:
    """Connects as the aggregator's pod does."""
    made: list[Connection] = []
    environ = cluster.service_account(tmp_path / "account")

    def connected() -> Connection:
        files = {"token_file": tmp_path / "account/token", "ca_file": tmp_path / "account/ca.crt"}
        made.append(in_cluster(environ, **files, user_agent="kinwatch-aggregator"))
        return made[-1]

    yield connected
    for connection in made:
        connection.renew()


@pytest.fixture
def reviews(connect: Callable[[], Connection], time: SetTime) -> Reviews:
    """The cluster's word."""
    return reviewing(connect, time)

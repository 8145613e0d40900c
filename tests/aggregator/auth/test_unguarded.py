"""Without authentication only this machine may ask."""

from __future__ import annotations

import pytest

from aggregator.auth.unguarded import NoAuth, require_loopback
from aggregator.auth.values import Credential, Via, speaks_for
from kinwatch.errors import InputError


def test_everybody_speaks_for_every_node_and_reads_everything() -> None:
    principal = NoAuth().authenticate(Credential())
    speaks_for(principal, "any-node")
    assert principal.via is Via.NO_AUTH
    assert NoAuth().authorise(Credential(), verb="get", path="/") == principal


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_may_go_without(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "10.0.0.1", "192.168.0.1", "example.com", "localhost.example.com", "127.1", "\x1b[2J"],  # noqa: S104
)
def test_others_may_not(host: str) -> None:
    with pytest.raises(InputError, match="--no-auth lets everybody in") as refused:
        require_loopback(host)
    assert "127.0.0.1 or ::1" in refused.value.remedy
    assert refused.value.problem.isprintable()

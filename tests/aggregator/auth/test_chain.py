"""Of several ways to be known, the credential says which applies."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from played_cluster import AGENT, NODE, PlayedCluster, Pod

from aggregator.auth.access_review import AccessReviewReaders
from aggregator.auth.certificates import Certificates
from aggregator.auth.chain import AnyAgents, AnyReaders
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.reviews import Reviews
from aggregator.auth.static_tokens import StaticTokens
from aggregator.auth.token_review import TokenReviewAgents
from aggregator.auth.values import Credential

ANOTHER = "another-token-0123456789"
EDGE = "edge-token-0123456789abcdef"
DASHBOARD = "dashboard-token-0123456789a"
CERTIFICATE = {"subjectAltName": (("URI", "kinwatch://node/edge-2"),), "notAfter": "Jan  1 00:00:00 2100 GMT"}


@pytest.fixture(name="static")
def _static(tmp_path: Path) -> StaticTokens:
    entries = {
        "agents": [{"name": "edge", "node": "edge-1", "token": EDGE}],
        "readers": [{"name": "dashboard", "token": DASHBOARD}],
    }
    (tmp_path / "tokens.yaml").write_text(yaml.safe_dump(entries))
    (tmp_path / "tokens.yaml").chmod(0o600)
    return StaticTokens(tmp_path / "tokens.yaml")


@pytest.fixture(name="agents")
def _agents(static: StaticTokens, reviews: Reviews) -> AnyAgents:
    return AnyAgents(of=[static, Certificates(), TokenReviewAgents(reviews, accounts=[AGENT])])


def test_each_is_known_in_its_own_way(cluster: PlayedCluster, agents: AnyAgents) -> None:
    token = cluster.issue(pod=cluster.start(Pod()))
    shown = (Credential(token=EDGE), Credential(certificate=CERTIFICATE), Credential(token=token))
    assert [agents.authenticate(credential).node for credential in shown] == ["edge-1", "edge-2", NODE]


def test_static_token_is_not_sent_to_the_api_server(cluster: PlayedCluster, agents: AnyAgents) -> None:
    agents.authenticate(Credential(token=EDGE))
    with pytest.raises(AuthError) as refused:
        agents.authenticate(Credential(token=DASHBOARD))
    assert refused.value.reason is Reason.OTHER_ROLE
    assert cluster.requests == []


def test_bad_token_is_not_made_good_by_a_certificate(agents: AnyAgents) -> None:
    with pytest.raises(AuthError) as refused:
        agents.authenticate(Credential(token=ANOTHER, certificate=CERTIFICATE))
    assert refused.value.reason is Reason.BAD_TOKEN


def test_file_that_went_bad_does_not_keep_out_the_cluster(
    cluster: PlayedCluster, agents: AnyAgents, tmp_path: Path
) -> None:
    (tmp_path / "tokens.yaml").unlink()
    assert agents.authenticate(Credential(token=cluster.issue(pod=cluster.start(Pod())))).node == NODE
    with pytest.raises(AuthError) as refused:
        agents.authenticate(Credential(token=EDGE))
    assert refused.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (Credential(), Reason.NO_CREDENTIAL),
        (Credential(token=ANOTHER), Reason.BAD_TOKEN),
        (Credential(certificate={}), Reason.NO_CREDENTIAL),
    ],
)
def test_what_no_way_takes_is_refused(static: StaticTokens, credential: Credential, reason: Reason) -> None:
    for agents in (AnyAgents(of=[static, Certificates()]), AnyAgents(of=[])):
        with pytest.raises(AuthError) as refused:
            agents.authenticate(credential)
        assert refused.value.reason is reason


def test_readers_are_known_in_several_ways_too(cluster: PlayedCluster, static: StaticTokens, reviews: Reviews) -> None:
    readers = AnyReaders(of=[static, AccessReviewReaders(reviews)])
    reader = "system:serviceaccount:monitoring:reader"
    cluster.rules.append((reader, "get", "/kinwatch/*"))
    shown = (Credential(token=DASHBOARD), Credential(token=cluster.issue(reader)))
    names = [readers.authorise(credential, verb="get", path="/api/v1/verdicts").name for credential in shown]
    assert names == ["dashboard", reader]

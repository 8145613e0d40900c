"""An API server that can't or won't answer lets nobody in whom it did not let in before, and holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from played_cluster import AGENT, NODE, PlayedCluster, Pod
from played_cluster_http import Reply, failed
from reviewing import reviewing
from set_time import SetTime

from aggregator.auth.lines import AWAY_S
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import ACCEPTED_S, Remembered
from aggregator.auth.token_review import TokenReviewAgents
from aggregator.auth.values import Credential
from kinwatch.apiserver.connection import Connection, by_kubeconfig
from kinwatch.errors import PeerError

REVIEWS_OF_TOKENS = "/apis/authentication"


@pytest.fixture(name="agents")
def _agents(connect: Callable[[], Connection], time: SetTime) -> TokenReviewAgents:
    return agents_by(connect, time)


def agents_by(connect: Callable[[], Connection], time: SetTime, **lines: float) -> TokenReviewAgents:
    return TokenReviewAgents(
        reviewing(connect, time, **lines), accounts=[AGENT], remembered=Remembered(clock=time.clock)
    )


def refusal(agents: TokenReviewAgents, token: str) -> AuthError:
    with pytest.raises(AuthError) as refused:
        agents.authenticate(Credential(token=token))
    assert refused.value.status == 503
    assert refused.value.retry_after_s
    assert refused.value.told == "who you are can't be checked now; try again later"
    return refused.value


def node(agents: TokenReviewAgents, token: str) -> str | None:
    return agents.authenticate(Credential(token=token)).node


def test_server_that_hangs_is_not_waited_for(
    cluster: PlayedCluster, connect: Callable[[], Connection], time: SetTime
) -> None:
    cluster.hang()
    error = refusal(agents_by(connect, time, read_s=0.1), cluster.issue(pod=cluster.start(Pod())))
    assert error.reason is Reason.UNAVAILABLE
    assert "timed out" in error.problem


def test_who_was_let_in_goes_on_while_it_is_remembered(
    cluster: PlayedCluster, agents: TokenReviewAgents, time: SetTime
) -> None:
    pod = cluster.start(Pod())
    token, another = cluster.issue(pod=pod), cluster.issue(pod=pod, serial=2)
    assert node(agents, token) == NODE
    cluster.away = True
    refusal(agents, another)
    time.sleep(ACCEPTED_S - 1)
    assert node(agents, token) == NODE
    time.sleep(1)
    refusal(agents, token)


def test_server_that_did_not_answer_is_left_alone_for_a_while(
    cluster: PlayedCluster, agents: TokenReviewAgents, time: SetTime
) -> None:
    """Who asks meanwhile hears so at once: the server's threads are needed for others."""
    pod = cluster.start(Pod())
    tokens = [cluster.issue(pod=pod, serial=serial) for serial in range(20)]
    cluster.away = True
    assert {refusal(agents, token).reason for token in tokens} == {Reason.UNAVAILABLE}
    assert len(cluster.requests) == 1
    time.sleep(AWAY_S - 1)
    assert refusal(agents, tokens[0]).retry_after_s == 1
    cluster.away = False
    time.sleep(1)
    assert [node(agents, token) for token in tokens] == [NODE] * 20


def test_server_that_is_not_there_is_told_of(
    connect: Callable[[], Connection], cluster: PlayedCluster, tmp_path: Path, time: SetTime
) -> None:
    """So is an account that the aggregator's pod lacks, as soon as a token is to be reviewed."""
    (tmp_path / "account/token").unlink()
    error = refusal(agents_by(connect, time), cluster.issue())
    assert error.reason is Reason.UNAVAILABLE
    assert "automountServiceAccountToken" in error.remedy


def test_missing_permission_is_named(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.forbidden.add("create tokenreviews")
    error = refusal(agents, cluster.issue(pod=cluster.start(Pod())))
    assert error.reason is Reason.NOT_PERMITTED
    assert "does not allow us to create tokenreviews.authentication.k8s.io" in error.problem
    assert "`create` on `tokenreviews`" in error.remedy
    assert "system:auth-delegator" in error.remedy


def test_permission_that_only_old_clusters_want_is_named(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.tells_node = False
    cluster.forbidden.add("get pods")
    error = refusal(agents, cluster.issue(pod=cluster.start(Pod())))
    assert error.reason is Reason.NOT_PERMITTED
    assert "as before Kubernetes 1.30" in error.problem
    assert "`get` on `pods`" in error.remedy


def test_permission_that_was_granted_helps_at_once(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    token = cluster.issue(pod=cluster.start(Pod()))
    cluster.forbidden.add("create tokenreviews")
    refusal(agents, token)
    cluster.forbidden.clear()
    assert node(agents, token) == NODE


def test_aggregators_token_that_was_rotated_is_read_anew(
    cluster: PlayedCluster, agents: TokenReviewAgents, tmp_path: Path
) -> None:
    pod = cluster.start(Pod())
    assert node(agents, cluster.issue(pod=pod)) == NODE
    cluster.own_tokens = {"the-next-one"}
    (tmp_path / "account/token").write_text("the-next-one")
    assert node(agents, cluster.issue(pod=pod, serial=2)) == NODE
    assert [request.bearer for request in cluster.requests] == ["aggregators-own", "aggregators-own", "the-next-one"]


def test_aggregators_token_that_is_refused_is_told_of(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.own_tokens = set()
    error = refusal(agents, cluster.issue(pod=cluster.start(Pod())))
    assert error.reason is Reason.NOT_PERMITTED
    assert "does not accept these credentials" in error.problem


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (failed(500, "InternalError", "etcd is gone"), "HTTP 500: etcd is gone"),
        (failed(404, "NotFound", "the server could not find the requested resource"), "HTTP 404"),
        (failed(400, "BadRequest", "no"), "HTTP 400"),
        (Reply(status=201, document=b"<html>"), "what is no JSON"),
        (Reply(status=201, document=b"[" * 100_000), "what is no JSON"),
        (Reply(status=201, document=None), "without `status`"),
        (Reply(status=201, document=[]), "without `status`"),
        (Reply(status=201, document={"status": None}), "without `status`"),
        (Reply(status=201, document={"status": {"authenticated": True}}), "without `user`"),
        (Reply(status=201, document={"status": {"authenticated": True, "user": {}}}), "a token that is nobody's"),
        (Reply(status=302, document={}), "HTTP 302"),
    ],
    ids=lambda value: None if isinstance(value, Reply) else value,
)
def test_answer_that_is_none_lets_nobody_in(
    cluster: PlayedCluster, agents: TokenReviewAgents, reply: Reply, problem: str
) -> None:
    """Nor does it keep others from being asked for: it may be about this one token."""
    token = cluster.issue(pod=cluster.start(Pod()))
    cluster.always[REVIEWS_OF_TOKENS] = reply
    error = refusal(agents, token)
    assert error.reason is Reason.UNAVAILABLE
    assert problem in error.problem
    cluster.always.clear()
    assert node(agents, token) == NODE


NODE_TOLD = {"username": AGENT, "extra": {"authentication.kubernetes.io/node-name": [NODE]}}
YES = {"authenticated": True, "user": NODE_TOLD, "audiences": ["kinwatch-aggregator"]}


def test_plain_yes_is_one(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.always[REVIEWS_OF_TOKENS] = Reply(status=201, document={"status": YES})
    assert node(agents, cluster.issue()) == NODE


@pytest.mark.parametrize(
    "change",
    [
        {"authenticated": "true"},
        {"authenticated": 1},
        {"authenticated": None},
        {"audiences": "kinwatch-aggregator"},
        {"audiences": [["kinwatch-aggregator"]]},
        {"audiences": None},
    ],
    ids=str,
)
def test_any_other_yes_is_none(cluster: PlayedCluster, agents: TokenReviewAgents, change: dict[str, object]) -> None:
    cluster.always[REVIEWS_OF_TOKENS] = Reply(status=201, document={"status": YES | change})
    with pytest.raises(AuthError) as refused:
        node(agents, cluster.issue(pod=cluster.start(Pod())))
    assert refused.value.status == 401


def test_extra_with_several_nodes_is_none(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    user = {"username": AGENT, "extra": {"authentication.kubernetes.io/node-name": [NODE, "knode-2"]}}
    cluster.always[REVIEWS_OF_TOKENS] = Reply(status=201, document={"status": YES | {"user": user}})
    with pytest.raises(AuthError) as refused:
        node(agents, cluster.issue(pod=cluster.start(Pod())))
    assert refused.value.reason is Reason.NO_NODE


def test_server_that_has_too_much_to_do_is_left_alone_for_as_long_as_it_says(
    cluster: PlayedCluster, agents: TokenReviewAgents, time: SetTime
) -> None:
    token = cluster.issue(pod=cluster.start(Pod()))
    cluster.always[REVIEWS_OF_TOKENS] = failed(429, "TooManyRequests", "slow down", retry_after="17")
    assert refusal(agents, token).retry_after_s == 17
    time.sleep(16)
    assert refusal(agents, token).retry_after_s == 1
    assert len(cluster.requests) == 1


def test_server_can_not_ask_to_be_left_alone_for_hours(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.always[REVIEWS_OF_TOKENS] = failed(503, "ServiceUnavailable", "bye", retry_after="86400")
    assert refusal(agents, cluster.issue(pod=cluster.start(Pod()))).retry_after_s == 60


def test_who_finds_no_line_free_is_told_to_come_back(
    cluster: PlayedCluster, connect: Callable[[], Connection], time: SetTime
) -> None:
    """Of two lines both are in use; the third question doesn't reach the API server."""
    agents = TokenReviewAgents(reviewing(connect, time, lines=2, free_s=0.01), accounts=[AGENT])
    pod = cluster.start(Pod())
    cluster.hang()
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(node, agents, cluster.issue(pod=pod, serial=serial)) for serial in range(2)]
        cluster.wait_for_requests(2)
        assert refusal(agents, cluster.issue(pod=pod)).reason is Reason.BUSY
        cluster.go_on()
        assert [future.result(10) for future in slow] == [NODE, NODE]
    assert len(cluster.requests) == 2


def test_line_that_could_not_be_made_is_tried_again(cluster: PlayedCluster, time: SetTime) -> None:
    def broken() -> Connection:
        raise PeerError("no way", remedy="find one")

    agents = agents_by(broken, time, lines=1)
    for _ in range(3):
        assert refusal(agents, cluster.issue(pod=cluster.start(Pod()))).problem == "no way"
        time.sleep(AWAY_S)


def test_kubeconfig_that_went_keeps_people_out(cluster: PlayedCluster, time: SetTime, tmp_path: Path) -> None:
    """It was there when the aggregator started; a line that is made later doesn't find it."""
    agents = agents_by(lambda: by_kubeconfig(tmp_path / "config"), time)
    error = refusal(agents, cluster.issue(pod=cluster.start(Pod())))
    assert error.reason is Reason.UNAVAILABLE
    assert "config: No such file or directory" in error.problem


def test_fifty_threads_with_one_token_are_one_review(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    token = cluster.issue(pod=cluster.start(Pod()))
    at_once = threading.Barrier(50)

    def ask(_: int) -> str | None:
        at_once.wait(10)
        return node(agents, token)

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(50))) == [NODE] * 50
    assert len(cluster.requests) == 1
    tally = agents.remembered.tally
    assert (tally.asked, tally.awaited + tally.remembered) == (1, 49)

"""An agent is known by the token of its pod, and speaks for its pod's node alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from played_cluster import AGENT, AUDIENCE, ITSELF, NODE, PlayedCluster, Pod, encoded
from set_time import SetTime

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import Remembered
from aggregator.auth.reviews import Reviews
from aggregator.auth.token_review import TokenReviewAgents, agent_account
from aggregator.auth.values import Credential, Principal, Via, speaks_for

OTHER_ACCOUNT = "system:serviceaccount:shop:web"


@pytest.fixture(name="agents")
def _agents(reviews: Reviews, time: SetTime) -> TokenReviewAgents:
    return TokenReviewAgents(reviews, accounts=[AGENT], remembered=Remembered(clock=time.clock))


def refusal(agents: TokenReviewAgents, token: str | None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        agents.authenticate(Credential(token=token))
    if token:
        assert token not in f"{refused.value} {refused.value.told} {refused.value.www_authenticate}"
    return refused.value


def test_agent_is_known_by_the_token_of_its_pod(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    token = cluster.issue(pod=cluster.start(Pod()))
    principal = agents.authenticate(Credential(token=token))
    assert principal == Principal(name=AGENT, node=NODE, via=Via.TOKEN_REVIEW)
    [request] = cluster.requests
    assert request.document["spec"] == {"token": token, "audiences": [AUDIENCE]}
    assert request.headers["user-agent"] == "kinwatch-aggregator"


def test_agents_account_is_named_as_the_cluster_names_it() -> None:
    assert agent_account("kinwatch") == AGENT


def test_agent_speaks_for_its_own_node_only(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    principal = agents.authenticate(Credential(token=cluster.issue(pod=cluster.start(Pod()))))
    speaks_for(principal, NODE)
    with pytest.raises(AuthError, match="may speak for the node knode-1, and sent a batch of knode-2") as refused:
        speaks_for(principal, "knode-2")
    assert (refused.value.status, refused.value.reason) == (403, Reason.OTHER_NODE)
    assert refused.value.principal == AGENT


@pytest.mark.parametrize("node", ["", "KNODE-1", "knode-1 ", "knode-11", "knode", "*", "\ud800", "\x1b[2J"])
def test_node_is_compared_whole(node: str) -> None:
    with pytest.raises(AuthError) as refused:
        speaks_for(Principal(name="a", node=NODE, via=Via.TOKEN_REVIEW), node)
    assert refused.value.problem.isprintable()


def test_old_cluster_is_asked_for_the_pods_node(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    """Before Kubernetes 1.30 the token tells its pod, but not the node."""
    cluster.tells_node = False
    principal = agents.authenticate(Credential(token=cluster.issue(pod=cluster.start(Pod()))))
    assert principal.node == NODE
    assert [request.path for request in cluster.asked("pods")] == [Pod().path]


def test_cluster_of_today_is_not_asked_for_the_pod(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    cluster.forbidden.add("get pods")
    agents.authenticate(Credential(token=cluster.issue(pod=cluster.start(Pod()))))
    assert cluster.asked("pods") == []


def test_token_bound_to_a_node_needs_no_pod(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    """As `kubectl create token --bound-object-kind Node` makes it, for an agent outside of the cluster."""
    bound = {"namespace": "kinwatch", "serviceaccount": {"name": "kinwatch-agent", "uid": "u"}}
    token = cluster.issue(**{"kubernetes.io": bound | {"node": {"name": "edge-1", "uid": "v"}}})
    assert agents.authenticate(Credential(token=token)).node == "edge-1"


def _forged(cluster: PlayedCluster) -> str:
    """One of the same pod, with another node, signed by nobody."""
    header, _, signature = cluster.issue(pod=cluster.start(Pod())).split(".")
    payload = encoded({"aud": [AUDIENCE], "sub": AGENT, "kubernetes.io": {"node": {"name": "knode-2"}}})
    return f"{header}.{payload}.{signature}"


def _of_a_replaced_pod(cluster: PlayedCluster) -> str:
    token = cluster.issue(pod=cluster.start(Pod()))
    cluster.start(Pod(uid="00000000-46a0-4424-84f8-993736e50556"))
    return token


def _of_a_deleted_pod(cluster: PlayedCluster) -> str:
    token = cluster.issue(pod=cluster.start(Pod()))
    cluster.pods.clear()
    return token


def _not_noticed(made: Callable[[PlayedCluster], str]) -> Callable[[PlayedCluster], str]:
    """The same in an old cluster which has not noticed yet that the pod is gone."""

    def make(cluster: PlayedCluster) -> str:
        cluster.tells_node, cluster.lags = False, True
        return made(cluster)

    return make


def _unminded(cluster: PlayedCluster) -> str:
    cluster.minds_audiences = False
    return cluster.issue(pod=cluster.start(Pod()))


def _of_a_pod_on_no_node(cluster: PlayedCluster) -> str:
    return cluster.issue(pod=cluster.start(Pod(node=None)))


REFUSED: dict[str, tuple[Callable[[PlayedCluster], Any], int, Reason, str]] = {
    "none": (lambda _: None, 401, Reason.NO_CREDENTIAL, "has no token"),
    "empty": (lambda _: "", 401, Reason.NO_CREDENTIAL, "has no token"),
    "no token": (lambda _: "a b", 401, Reason.BAD_TOKEN, "is no token"),
    "no text": (lambda _: "\ud800", 401, Reason.BAD_TOKEN, "is no token"),
    "too long": (lambda _: "a" * 20_000, 401, Reason.BAD_TOKEN, "is no token"),
    "no JWT": (lambda _: "hunter2", 401, Reason.BAD_TOKEN, "is no JWT"),
    "forged": (_forged, 401, Reason.BAD_TOKEN, "token lookup failed"),
    "expired": (lambda c: c.issue(pod=c.start(Pod()), lasts_s=0), 401, Reason.EXPIRED, "token has expired"),
    "wrong audience": (
        lambda c: c.issue(pod=c.start(Pod()), audiences=(ITSELF,)),
        401,
        Reason.WRONG_AUDIENCE,
        f"is meant for {ITSELF}, not for kinwatch-aggregator",
    ),
    "no audience": (
        lambda c: c.issue(pod=c.start(Pod()), audiences=()),
        401,
        Reason.WRONG_AUDIENCE,
        "is meant for the API server alone",
    ),
    "audiences ignored": (_unminded, 401, Reason.AUDIENCE_UNCHECKED, "ignores audiences"),
    "another account": (
        lambda c: c.issue(OTHER_ACCOUNT, pod=c.start(Pod(namespace="shop"))),
        403,
        Reason.OTHER_ACCOUNT,
        "is that of system:serviceaccount:shop:web, who is no agent",
    ),
    "the same name in another namespace": (
        lambda c: c.issue("system:serviceaccount:shop:kinwatch-agent", pod=c.start(Pod(namespace="shop"))),
        403,
        Reason.OTHER_ACCOUNT,
        "who is no agent",
    ),
    "bound to nothing": (lambda c: c.issue(), 403, Reason.NO_NODE, "bound to no pod and no node"),
    "deleted pod": (_of_a_deleted_pod, 401, Reason.BAD_TOKEN, "has been invalidated"),
    "replaced pod": (_of_a_replaced_pod, 401, Reason.BAD_TOKEN, "has been invalidated"),
    "deleted pod, not noticed": (_not_noticed(_of_a_deleted_pod), 401, Reason.BAD_TOKEN, "which is gone"),
    "replaced pod, not noticed": (_not_noticed(_of_a_replaced_pod), 401, Reason.BAD_TOKEN, "which is gone"),
    "pod on no node": (_not_noticed(_of_a_pod_on_no_node), 403, Reason.NO_NODE, "runs on no node"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_no_agent_of_a_node_is_refused(cluster: PlayedCluster, agents: TokenReviewAgents, case: str) -> None:
    made, status, reason, problem = REFUSED[case]
    error = refusal(agents, made(cluster))
    assert (error.status, error.reason) == (status, reason)
    assert problem in error.problem
    assert error.remedy


@pytest.mark.parametrize("token", [None, "hunter2", "a.b.c", "..", "a" * 20_000])
def test_what_can_not_be_right_is_not_asked(
    cluster: PlayedCluster, agents: TokenReviewAgents, token: str | None
) -> None:
    """Nor is a token that says it is meant for others: the API server has other work."""
    refusal(agents, token)
    refusal(agents, cluster.issue(pod=cluster.start(Pod()), audiences=(ITSELF,)))
    assert cluster.requests == []


def test_audience_that_a_token_only_claims_does_not_help(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    header, payload, signature = cluster.issue(pod=cluster.start(Pod()), audiences=(ITSELF,)).split(".")
    assert payload
    claimed = f"{header}.{encoded({'aud': AUDIENCE, 'sub': AGENT})}.{signature}"
    assert refusal(agents, claimed).reason is Reason.BAD_TOKEN


def test_agent_of_no_credentials_is_told_the_scheme(agents: TokenReviewAgents) -> None:
    assert refusal(agents, None).www_authenticate == 'Bearer realm="kinwatch"'
    assert refusal(agents, "hunter2").www_authenticate == (
        'Bearer realm="kinwatch", error="invalid_token", error_description="bad_token"'
    )


def test_only_401_asks_for_other_credentials(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    assert refusal(agents, cluster.issue()).www_authenticate is None


def test_token_that_the_kubelet_renewed_is_reviewed_anew(cluster: PlayedCluster, agents: TokenReviewAgents) -> None:
    pod = cluster.start(Pod())
    for serial in range(3):
        assert agents.authenticate(Credential(token=cluster.issue(pod=pod, serial=serial))).node == NODE
    assert len(cluster.asked("tokenreviews")) == 3

"""A reader is known by any token of the cluster, and reads what the cluster's RBAC grants it."""

from __future__ import annotations

import pytest
from played_cluster import AGENT, AUDIENCE, ITSELF, PlayedCluster, Pod
from set_time import SetTime

from aggregator.auth.access_review import AccessReviewReaders
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import ACCEPTED_S, REFUSED_S, Remembered
from aggregator.auth.reviews import Reviews
from aggregator.auth.values import Credential, Via

READER = "system:serviceaccount:monitoring:reader"
VERDICTS = "/api/v1/verdicts"
GRANTED = (READER, "get", "/kinwatch/*")


@pytest.fixture(name="readers")
def _readers(reviews: Reviews, time: SetTime) -> AccessReviewReaders:
    clock = time.clock
    return AccessReviewReaders(reviews, users=Remembered(clock=clock), accesses=Remembered(clock=clock))


def read(readers: AccessReviewReaders, token: str | None, path: str = VERDICTS, verb: str = "get") -> str:
    return readers.authorise(Credential(token=token), verb=verb, path=path).name


def refusal(readers: AccessReviewReaders, token: str | None, path: str = VERDICTS, verb: str = "get") -> AuthError:
    with pytest.raises(AuthError) as refused:
        read(readers, token, path, verb)
    return refused.value


@pytest.mark.parametrize("audience", [AUDIENCE, ITSELF])
def test_reader_may_come_with_a_token_for_us_or_for_the_api_server(
    cluster: PlayedCluster, readers: AccessReviewReaders, audience: str
) -> None:
    """The second is what `kubectl create token` makes, and what people have."""
    cluster.rules.append(GRANTED)
    token = cluster.issue(READER, audiences=(audience,))
    principal = readers.authorise(Credential(token=token), verb="GET", path=VERDICTS)
    assert (principal.name, principal.via) == (READER, Via.TOKEN_REVIEW)
    assert [request.resource for request in cluster.requests] == ["tokenreviews", "subjectaccessreviews"]


def test_what_is_reviewed_is_the_whole_user(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    cluster.rules.append(GRANTED)
    read(readers, cluster.issue(READER, pod=cluster.start(Pod(namespace="monitoring"))))
    [request] = cluster.asked("subjectaccessreviews")
    spec = request.document["spec"]
    assert spec["nonResourceAttributes"] == {"path": "/kinwatch/api/v1/verdicts", "verb": "get"}
    assert (spec["user"], spec["uid"]) == (READER, "uid of reader")
    assert "system:serviceaccounts:monitoring" in spec["groups"]
    assert spec["extra"]["authentication.kubernetes.io/node-name"] == ["knode-1"]


def test_group_may_be_granted(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    cluster.rules.append(("system:serviceaccounts:monitoring", "get", "/kinwatch/*"))
    assert read(readers, cluster.issue(READER)) == READER


def test_account_alone_reads_nothing(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    """Though everybody may get `/api/*` of the API server: that is not our `/api`."""
    assert ("system:authenticated", "get", "/api/*") in cluster.rules
    error = refusal(readers, cluster.issue(READER))
    assert (error.status, error.reason, error.principal) == (403, Reason.FORBIDDEN, READER)
    assert error.problem == f"{READER} may not get /kinwatch{VERDICTS}: no rule says so"
    assert "nonResourceURLs: [/kinwatch/*], verbs: [get]" in error.remedy


def test_agent_is_no_reader(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    assert refusal(readers, cluster.issue(AGENT, pod=cluster.start(Pod()))).reason is Reason.FORBIDDEN


def test_verb_and_path_are_as_granted(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    cluster.rules.append((READER, "get", "/kinwatch/metrics"))
    token = cluster.issue(READER)
    assert read(readers, token, "/metrics") == READER
    for path, verb in (("/metrics", "post"), ("/metrics/", "get"), ("/", "get"), ("/../metrics", "get")):
        assert refusal(readers, token, path, verb).reason is Reason.FORBIDDEN


@pytest.mark.parametrize("path", ["", "metrics", "../metrics", "/" + "a" * 1024])
def test_path_that_is_none_is_not_asked(cluster: PlayedCluster, readers: AccessReviewReaders, path: str) -> None:
    cluster.rules.append((READER, "*", "*"))
    assert refusal(readers, cluster.issue(READER), path).reason is Reason.FORBIDDEN
    assert cluster.asked("subjectaccessreviews") == []


def test_bad_tokens_are_refused_as_agents_are(
    cluster: PlayedCluster, readers: AccessReviewReaders, time: SetTime
) -> None:
    assert refusal(readers, None).reason is Reason.NO_CREDENTIAL
    assert refusal(readers, "hunter2").reason is Reason.BAD_TOKEN
    assert refusal(readers, cluster.issue(READER, audiences=("vault",))).reason is Reason.WRONG_AUDIENCE
    assert refusal(readers, cluster.issue(READER, lasts_s=0)).reason is Reason.EXPIRED
    cluster.minds_audiences = False
    assert refusal(readers, cluster.issue(READER)).reason is Reason.AUDIENCE_UNCHECKED
    assert time.passed_s == 0


def test_answers_are_remembered_for_each_path(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    cluster.rules.append(GRANTED)
    token = cluster.issue(READER)
    for _ in range(3):
        read(readers, token)
        read(readers, token, "/metrics")
    assert len(cluster.asked("tokenreviews")) == 1
    assert len(cluster.asked("subjectaccessreviews")) == 2


def test_permission_that_was_taken_away_ends_within_a_minute(
    cluster: PlayedCluster, readers: AccessReviewReaders, time: SetTime
) -> None:
    cluster.rules.append(GRANTED)
    token = cluster.issue(READER)
    read(readers, token)
    cluster.rules.clear()
    time.sleep(ACCEPTED_S)
    assert refusal(readers, token).reason is Reason.FORBIDDEN


def test_permission_that_was_granted_holds_within_seconds(
    cluster: PlayedCluster, readers: AccessReviewReaders, time: SetTime
) -> None:
    token = cluster.issue(READER)
    refusal(readers, token)
    cluster.rules.append(GRANTED)
    time.sleep(REFUSED_S)
    assert read(readers, token) == READER


def test_revoked_token_reads_no_other_path_either(
    cluster: PlayedCluster, readers: AccessReviewReaders, time: SetTime
) -> None:
    """A path that was granted late holds no longer than the token's own review."""
    cluster.rules.append(GRANTED)
    pod = cluster.start(Pod(namespace="monitoring"))
    token = cluster.issue(READER, pod=pod)
    read(readers, token)
    time.sleep(ACCEPTED_S - 1)
    read(readers, token, "/metrics")
    cluster.pods.clear()
    time.sleep(1)
    assert refusal(readers, token, "/metrics").reason is Reason.BAD_TOKEN


def test_missing_permission_is_named(cluster: PlayedCluster, readers: AccessReviewReaders) -> None:
    cluster.forbidden.add("create subjectaccessreviews")
    error = refusal(readers, cluster.issue(READER))
    assert (error.status, error.reason) == (503, Reason.NOT_PERMITTED)
    assert "`create` on `subjectaccessreviews`" in error.remedy
    assert "system:auth-delegator" in error.remedy

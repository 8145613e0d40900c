"""Owners are asked of the API server by name, seldom, and remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from api_playback import PlaybackApiServer
from api_playback_replies import Reply, forbidden
from structlog.testing import capture_logs

from agent.pods.owners import BURST, ApiOwners, CachedOwners
from agent.pods.pod import Owner
from agent.pods.source import NotNow
from kinwatch.apiserver.connection import by_kubeconfig
from kinwatch.errors import PeerError

REPLICA_SET = Owner(api_version="apps/v1", kind="ReplicaSet", name="orders-68bc66c8b7")
JOB = Owner(api_version="batch/v1", kind="Job", name="report-29922353")
REFUSAL = PeerError("the API server does not allow us to get replicasets.apps", remedy="grant it", lasting=True)
FAILURE = PeerError("the API server is not reached", remedy="see the network")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Told:
    """Owners as a test tells them; notes what it was asked."""

    def __init__(self) -> None:
        self.answer: Owner | PeerError | None = replace(REPLICA_SET, kind="Deployment", name="orders")
        self.asked: list[tuple[str, str]] = []

    def owner_of(self, owned: Owner, namespace: str) -> Owner | None:
        self.asked.append((owned.name, namespace))
        if isinstance(self.answer, PeerError):
            raise self.answer
        return self.answer


@pytest.fixture(name="api")
def _api(tmp_path: Path) -> Iterator[PlaybackApiServer]:
    with PlaybackApiServer(tmp_path) as api:
        yield api


@pytest.fixture(name="owners")
def _owners(api: PlaybackApiServer, tmp_path: Path) -> Iterator[ApiOwners]:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "kubeconfig"))
    yield ApiOwners(connection)
    connection.renew()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="told")
def _told() -> Told:
    return Told()


@pytest.fixture(name="cached")
def _cached(told: Told, clock: Clock) -> CachedOwners:
    return CachedOwners(told, monotonic_s=clock)


def test_replica_set_belongs_to_its_deployment(owners: ApiOwners) -> None:
    owner = owners.owner_of(REPLICA_SET, "shop")
    assert owner == Owner(api_version="apps/v1", kind="Deployment", name="orders")


def test_job_belongs_to_its_cronjob(owners: ApiOwners) -> None:
    assert owners.owner_of(JOB, "shop") == Owner(api_version="batch/v1", kind="CronJob", name="report")


def test_object_is_asked_for_by_its_name_and_for_its_metadata_alone(api: PlaybackApiServer, owners: ApiOwners) -> None:
    """Never listed, never watched."""
    owners.owner_of(REPLICA_SET, "shop")
    (request,) = api.requests
    assert request.path == "/apis/apps/v1/namespaces/shop/replicasets/orders-68bc66c8b7"
    assert request.query == {}
    assert request.headers["accept"].startswith("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")


def test_object_that_is_gone_has_no_owner(api: PlaybackApiServer, owners: ApiOwners) -> None:
    assert owners.owner_of(replace(REPLICA_SET, name="gone"), "shop") is None
    assert owners.owner_of(REPLICA_SET, "shop") is not None
    assert len(api.requests) == 2


def test_object_of_the_core_group_has_another_root(api: PlaybackApiServer, owners: ApiOwners) -> None:
    owners.owner_of(Owner(api_version="v1", kind="ReplicationController", name="old"), "shop")
    assert api.requests[0].path == "/api/v1/namespaces/shop/replicationcontrollers/old"


@pytest.mark.parametrize(
    ("owned", "namespace"),
    [
        (Owner(api_version="example.com/v1", kind="Octopus", name="eight"), "shop"),
        (Owner(api_version="example.com/v1", kind="ReplicaSet", name="eight"), "shop"),
        (replace(REPLICA_SET, name=".."), "shop"),
        (replace(REPLICA_SET, name="../../../../../api/v1/secrets"), "shop"),
        (replace(REPLICA_SET, name="a?watch=true"), "shop"),
        (replace(REPLICA_SET, name=""), "shop"),
        (replace(REPLICA_SET, api_version="apps/v1/../v1"), "shop"),
        (replace(REPLICA_SET, api_version="apps/"), "shop"),
        (REPLICA_SET, "shop/../kube-system"),
        (REPLICA_SET, ""),
    ],
)
def test_what_has_no_address_is_not_asked_for(
    api: PlaybackApiServer, owners: ApiOwners, owned: Owner, namespace: str
) -> None:
    """Whoever makes a pod writes its owner references, and would ask with the agent's rights."""
    assert owners.owner_of(owned, namespace) is None
    assert api.requests == []


def test_permission_that_is_missing_is_named(api: PlaybackApiServer, owners: ApiOwners) -> None:
    api.always["/apis/batch"] = forbidden("get", "jobs")
    with pytest.raises(PeerError, match=r"does not allow us to get jobs\.batch: ") as failed:
        owners.owner_of(JOB, "shop")
    assert "the verb `get` on `jobs.batch` in the namespace shop" in failed.value.remedy
    assert failed.value.lasting


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"metadata":5}', b'{"metadata":{"ownerReferences":[5]}}', b"<html>"])
def test_answer_that_is_no_object_is_told_of(api: PlaybackApiServer, owners: ApiOwners, body: bytes) -> None:
    api.always["/apis/batch"] = Reply(status=200, body=body)
    with pytest.raises(PeerError, match=r"asked to get jobs\.batch, the API server answers what is no"):
        owners.owner_of(JOB, "shop")


def test_question_does_not_disturb_a_watch(api: PlaybackApiServer, tmp_path: Path) -> None:
    """They use the same connection, from one thread, while another reads the watch."""
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config"))
    query = {"fieldSelector": "spec.nodeName=knode-1", "watch": "true", "resourceVersion": "653"}
    watch = connection.get("/api/v1/pods", query)
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.append(next(watch.lines())))
    reader.start()
    assert ApiOwners(connection).owner_of(JOB, "shop") is not None
    api.push("MODIFIED", api.pods[0])
    reader.join()
    assert len(lines) == 1
    watch.close()
    connection.renew()


def test_answer_is_kept_for_an_hour(cached: CachedOwners, told: Told, clock: Clock) -> None:
    assert cached.owner_of(REPLICA_SET, "shop") == told.answer
    clock.s += 3599
    assert cached.owner_of(REPLICA_SET, "shop") == told.answer
    assert len(told.asked) == 1
    clock.s += 1
    cached.owner_of(REPLICA_SET, "shop")
    assert len(told.asked) == 2


def test_that_there_is_no_owner_is_an_answer(cached: CachedOwners, told: Told) -> None:
    told.answer = None
    assert cached.owner_of(JOB, "shop") is None
    assert cached.owner_of(JOB, "shop") is None
    assert len(told.asked) == 1


def test_objects_of_a_name_differ_by_namespace_and_kind(cached: CachedOwners, told: Told) -> None:
    for owned, namespace in ((JOB, "a"), (JOB, "b"), (replace(JOB, kind="ReplicaSet"), "a")):
        cached.owner_of(owned, namespace)
    assert len(told.asked) == 3


def test_answer_that_was_not_needed_for_longest_makes_room(told: Told, clock: Clock) -> None:
    cached = CachedOwners(told, monotonic_s=clock, kept=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        cached.owner_of(replace(JOB, name=name), "shop")
    assert [name for name, _ in told.asked] == ["a", "b", "c", "b"]
    assert cached.counts == {"asked": 4, "dropped": 2}


def test_missing_permission_is_not_tried_again_for_five_minutes(cached: CachedOwners, told: Told, clock: Clock) -> None:
    """It holds for all objects of the kind in the namespace."""
    told.answer = REFUSAL
    assert cached.owner_of(REPLICA_SET, "shop") is None
    assert cached.owner_of(replace(REPLICA_SET, name="web-7bdb4cc484"), "shop") is None
    assert len(told.asked) == 1
    cached.owner_of(REPLICA_SET, "elsewhere")
    cached.owner_of(JOB, "shop")
    assert len(told.asked) == 3
    clock.s += 300
    cached.owner_of(REPLICA_SET, "shop")
    assert len(told.asked) == 4


def test_failure_keeps_one_question_from_being_asked_for_five_minutes(
    cached: CachedOwners, told: Told, clock: Clock
) -> None:
    told.answer = FAILURE
    assert cached.owner_of(REPLICA_SET, "shop") is None
    assert cached.owner_of(REPLICA_SET, "shop") is None
    told.answer = None
    cached.owner_of(replace(REPLICA_SET, name="web-7bdb4cc484"), "shop")
    assert len(told.asked) == 2
    clock.s += 300
    cached.owner_of(REPLICA_SET, "shop")
    assert len(told.asked) == 3
    assert cached.counts == {"asked": 3, "refused": 1}


def test_reason_is_logged_once(cached: CachedOwners, told: Told, clock: Clock) -> None:
    with capture_logs() as logs:
        for told.answer in (REFUSAL, FAILURE, REFUSAL, FAILURE):
            clock.s += 300
            cached.owner_of(JOB, "shop")
    assert logs == [
        {"event": "owner_not_told", "log_level": "warning", "problem": error.problem, "remedy": error.remedy}
        for error in (REFUSAL, FAILURE)
    ]


def test_reason_is_the_same_for_objects_of_other_names(cached: CachedOwners, told: Told, clock: Clock) -> None:
    """The API server puts the object's name into its words."""
    with capture_logs() as logs:
        for name in ("a", "b"):
            told.answer = PeerError(f'replicasets.apps "{name}" is forbidden', remedy="grant it", lasting=True)
            clock.s += 300
            cached.owner_of(replace(REPLICA_SET, name=name), "shop")
    assert len(logs) == 1


def test_twenty_are_asked_for_in_a_row_and_then_one_a_second(cached: CachedOwners, told: Told, clock: Clock) -> None:
    for number in range(BURST):
        cached.owner_of(replace(JOB, name=f"a{number}"), "shop")
    with pytest.raises(NotNow):
        cached.owner_of(JOB, "shop")
    assert cached.owner_of(replace(JOB, name="a0"), "shop") == told.answer  # what is known is told all the same
    clock.s += 0.9
    with pytest.raises(NotNow):
        cached.owner_of(JOB, "shop")
    clock.s += 0.1
    assert cached.owner_of(JOB, "shop") == told.answer
    with pytest.raises(NotNow):
        cached.owner_of(replace(JOB, name="next"), "shop")
    assert cached.counts == {"asked": 21, "deferred": 3}
    clock.s += 3600
    for number in range(BURST):
        cached.owner_of(replace(JOB, name=f"b{number}"), "shop")
    with pytest.raises(NotNow):
        cached.owner_of(replace(JOB, name="next"), "shop")

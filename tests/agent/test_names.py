"""Containers are named by their pods; sandboxes, and what is not to be watched, are told from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from agent.names import AGENT, ANNOTATION, EXCLUDED, LONELY_S, SANDBOX, PodNames
from agent.pods.directory import KEPT_S, Directory, Listed
from agent.pods.pod import Container, Pod, Role
from agent.selection import EVERYTHING, Rule, Rules
from agent.values import Answer, Candidate, Named, Subject
from kinwatch.snapshot import Replica, Workload

WEB = Workload(kind="Deployment", name="web", revision="7bdb")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POD = "u1"
LEFT_ALONE = {"kinwatch.dev/watch": "false"}


def container(
    name: str, *ids: str, role: Role = Role.APP, runs: bool = True, started: datetime | None = NOON
) -> Container:
    """A container whose last id is that of the run which is running, if it runs."""
    running_id = ids[-1] if ids and runs else None
    return Container(
        name=name,
        role=role,
        image="web:1",
        ids=frozenset(ids),
        running_id=running_id,
        started=started if running_id else None,
    )


def listed(
    *containers: Container,
    uid: str = POD,
    namespace: str = "shop",
    annotations: Mapping[str, str] | None = None,
    workload: Workload | None = WEB,
) -> Listed:
    pod = Pod(
        uid=uid,
        namespace=namespace,
        name=f"web-{uid}",
        node="n1",
        labels={"app": "web"},
        annotations=annotations or {},
        owner=None,
        static=False,
        created=None,
        containers=containers,
    )
    return Listed(pod=pod, workload=workload)


def found(container_id: str, *, born: int, uid: str = POD) -> Candidate:
    """A container as its cgroup tells of it."""
    root = f"/pod{uid}/{container_id}"
    subject = Subject(
        root=root,
        replica=Replica(pod_uid=uid, container_id=container_id, cgroup=root),
        workload=Workload(),
        resolved=False,
    )
    return Candidate(subject=subject, born=born)


class Node:
    """What the kubelet of a node tells, and what it makes of the containers that are found."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.pods: tuple[Listed, ...] = ()
        self.rules = EVERYTHING
        self.names = PodNames(self.directory, rules=lambda: self.rules, own_root="/podu9/agent")

    def tell(self, *pods: Listed, at_s: float = 0) -> None:
        self.pods = pods
        self.directory.tell(pods, at_s=at_s)

    def who(self, *candidates: Candidate, now_s: float = 0, silent: bool = False) -> list[Answer]:
        """Who they are, in this order; the kubelet has just told the same pods again, unless it is silent."""
        if not silent:
            self.directory.tell(self.pods, at_s=now_s)
        answers = self.names.answers(candidates, now_s=now_s)
        assert answers.keys() == {one.subject.root for one in candidates}
        return [answers[one.subject.root] for one in candidates]

    def running(self, since: datetime = NOON + timedelta(minutes=1)) -> list[str | None]:
        return [named.replica.container_id for named in self.names.running(since=since)]


@pytest.fixture(name="node")
def _node() -> Node:
    return Node()


def name_of(answer: Answer) -> str | None:
    assert isinstance(answer, Named)
    return answer.replica.container


def test_container_has_the_names_of_its_pod_and_keeps_its_cgroup(node: Node) -> None:
    node.tell(listed(container("app", "c1")))
    assert node.who(found("c1", born=2)) == [
        Named(
            replica=Replica(
                namespace="shop",
                pod="web-u1",
                pod_uid="u1",
                container="app",
                container_id="c1",
                role="app",
                cgroup="/podu1/c1",
            ),
            workload=WEB,
            resolved=True,
        )
    ]


@pytest.mark.parametrize("role", Role)
def test_every_role_of_a_container_is_told(node: Node, role: Role) -> None:
    """Init containers, sidecars and ephemeral containers are replicas like the others."""
    node.tell(listed(container("any", "c1", role=role)))
    (answer,) = node.who(found("c1", born=2))
    assert isinstance(answer, Named)
    assert answer.replica.role == role.value


def test_run_before_the_last_restart_is_named_too(node: Node) -> None:
    node.tell(listed(container("app", "c1", "c2")))
    assert [name_of(one) for one in node.who(found("c1", born=2), found("c2", born=3))] == ["app", "app"]


def test_container_that_went_keeps_its_name(node: Node) -> None:
    """And so its sandbox is known as one."""
    node.tell(listed(container("app", "c1")))
    node.tell(at_s=KEPT_S)
    sandbox, app = node.who(found("s", born=1), found("c1", born=2))
    assert (sandbox, name_of(app)) == (SANDBOX, "app")


def test_cgroup_of_the_command_line_is_who_it_was_said_to_be(node: Node) -> None:
    replica, workload = Replica(cgroup="/demo/a"), Workload(kind="Cgroup", name="demo")
    given = Candidate(subject=Subject(root="/demo/a", replica=replica, workload=workload, resolved=True), born=1)
    assert node.who(given) == [Named(replica=replica, workload=workload)]


def test_container_is_not_known_before_its_pod_is_listed(node: Node) -> None:
    """However long it takes."""
    node.tell(listed(container("app", "c9"), uid="u2"))
    assert [node.who(found("c1", born=2), now_s=now_s) for now_s in (0, 1000)] == [[None], [None]]


def test_container_is_not_known_before_its_workload_is(node: Node) -> None:
    """It is listed, and so it is no sandbox, be it the oldest of a pod in which nothing runs."""
    node.tell(listed(container("app", "c1", runs=False), workload=None))
    assert [node.who(found("c1", born=2), now_s=now_s) for now_s in (0, LONELY_S)] == [[None], [None]]


def test_container_that_is_listed_with_another_pod_is_not_known(node: Node) -> None:
    """Path and listing contradict each other: neither is believed."""
    node.tell(listed(container("app", "c1"), uid="u2"))
    assert node.who(found("c1", born=2)) == [None]


def test_oldest_container_of_a_pod_which_is_not_listed_is_the_sandbox(node: Node) -> None:
    node.tell(listed(container("init", "c1", role=Role.INIT, runs=False), container("app", "c2")))
    sandbox, app = node.who(found("s", born=1), found("c2", born=3))
    assert (sandbox, name_of(app)) == (SANDBOX, "app")


def test_container_that_is_not_listed_yet_while_its_sibling_is_waits(node: Node) -> None:
    """It is younger: a second one that starts, or a debugger that was put in."""
    node.tell(listed(container("app", "c1"), container("metrics")))
    sandbox, app, late = node.who(found("s", born=1), found("c1", born=2), found("c2", born=3), now_s=1000)
    assert (sandbox, name_of(app), late) == (SANDBOX, "app", None)


def test_of_several_that_are_not_listed_only_the_oldest_is_the_sandbox(node: Node) -> None:
    """Another may be a run that was so short that no status told of it."""
    node.tell(listed(container("crashing"), container("app", "c2")))
    sandbox, missed, app = node.who(found("s", born=1), found("c1", born=2), found("c2", born=3))
    assert (sandbox, missed, name_of(app)) == (SANDBOX, None, "app")


def test_pods_are_not_compared_with_each_other(node: Node) -> None:
    node.tell(listed(container("app", "c1"), uid="u1"), listed(container("app"), uid="u2"))
    assert node.who(found("c2", born=1, uid="u2"), found("c1", born=5, uid="u1"))[0] is None


@pytest.mark.parametrize(
    "only",
    [container("app"), container("app", "c1", "c2", runs=False)],
    ids=["ImagePullBackOff", "CrashLoopBackOff"],
)
def test_oldest_container_of_a_pod_in_which_nothing_runs_is_the_sandbox_after_a_while(
    node: Node, only: Container
) -> None:
    """Until then it may be one that is not listed yet."""
    node.tell(listed(only))
    sandbox = found("s", born=1)
    assert [node.who(sandbox, now_s=now_s) for now_s in (5, 5 + LONELY_S - 0.1)] == [[None], [None]]
    assert node.who(sandbox, now_s=5 + LONELY_S) == [SANDBOX]


def test_listing_of_long_ago_makes_nothing_a_sandbox(node: Node) -> None:
    """While no source tells anything a container may have been started again, where the runtime makes no sandboxes."""
    node.tell(listed(container("app", "c1", runs=False)))
    for now_s in (5, 5 + LONELY_S, 5 + 2 * LONELY_S):
        assert node.who(found("c2", born=3), now_s=now_s, silent=True) == [None]


def test_younger_container_of_a_pod_in_which_nothing_runs_yet_waits(node: Node) -> None:
    """It starts just now: its image came, or its pause between two restarts is over."""
    node.tell(listed(container("app")))
    sandbox, app = found("s", born=1), found("c1", born=2)
    node.who(sandbox, now_s=0)
    assert node.who(sandbox, app, now_s=LONELY_S) == [SANDBOX, None]
    node.tell(listed(container("app", "c1")))
    told = node.who(sandbox, app, now_s=LONELY_S + 1)
    assert (told[0], name_of(told[1])) == (SANDBOX, "app")


def test_time_alone_begins_anew_when_something_ran_meanwhile(node: Node) -> None:
    node.tell(listed(container("app")))
    node.who(found("c1", born=2), now_s=0)
    node.tell(listed(container("other", "c2")))
    node.who(found("c1", born=2), now_s=20)
    node.tell(listed(container("other", "c2", runs=False)))
    assert node.who(found("c1", born=2), now_s=LONELY_S) == [None]
    assert node.who(found("c1", born=2), now_s=2 * LONELY_S) == [SANDBOX]


def test_runtime_without_sandboxes_has_its_containers_named(node: Node) -> None:
    """CRI-O makes none where the pod's processes aren't shared: its oldest container is an ordinary one."""
    node.tell(listed(container("app", "c1"), container("metrics")))
    assert [name_of(one) if one else None for one in node.who(found("c1", born=1), found("c2", born=2))] == [
        "app",
        None,
    ]
    node.tell(listed(container("app", "c1"), container("metrics", "c2")))
    assert [name_of(one) for one in node.who(found("c1", born=1), found("c2", born=2))] == ["app", "metrics"]


def test_container_that_was_taken_for_a_sandbox_is_named_once_it_is_listed(node: Node) -> None:
    """As where CRI-O makes no sandbox and the listing came late; so it is recalled."""
    node.tell(listed(container("app")))
    node.who(found("c1", born=1), now_s=0)
    assert node.who(found("c1", born=1), now_s=LONELY_S) == [SANDBOX]
    node.tell(listed(container("app", "c1")))
    assert [name_of(one) for one in node.who(found("c1", born=1), now_s=LONELY_S + 1)] == ["app"]


def test_sandbox_that_was_made_anew_is_known_as_one(node: Node) -> None:
    """The kubelet does so when it died: all containers of the pod are made anew as well."""
    node.tell(listed(container("app", "c1", "c2")))
    sandbox, app = node.who(found("s2", born=5), found("c2", born=6))
    assert (sandbox, name_of(app)) == (SANDBOX, "app")


def test_sandbox_that_was_made_anew_waits_while_an_older_container_is_still_there(node: Node) -> None:
    """In the window in which the pod broke down."""
    node.tell(listed(container("app", "c1", "c2")))
    assert node.who(found("c1", born=2), found("s2", born=5), found("c2", born=6))[1] is None


def test_agent_does_not_watch_itself(node: Node) -> None:
    """Neither its container, be it listed or not, nor its sandbox; another container of the same kind is watched."""
    own = found("agent", born=2, uid="u9")
    assert node.who(own) == [AGENT]
    node.tell(listed(container("agent", "agent"), uid="u9"), listed(container("agent", "c1")))
    sandbox, itself, other = node.who(found("s", born=1, uid="u9"), own, found("c1", born=7))
    assert (sandbox, itself, name_of(other)) == (SANDBOX, AGENT, "agent")


@pytest.mark.parametrize("namespace", ["shop", "kube-system", "kinwatch"])
def test_every_namespace_is_watched_by_default(node: Node, namespace: str) -> None:
    node.tell(listed(container("app", "c1"), namespace=namespace))
    assert name_of(node.who(found("c1", born=2))[0]) == "app"


@pytest.mark.parametrize(
    ("value", "is_left"),
    [("false", True), ("true", False), ("", False), ("False", False), ("no", False)],
)
def test_pod_with_the_annotation_is_left_alone(node: Node, *, value: str, is_left: bool) -> None:
    """All of it at once, with what is not listed yet. Only the one value counts."""
    node.tell(listed(container("app", "c1"), annotations={"kinwatch.dev/watch": value}))
    answers = node.who(found("s", born=1), found("c1", born=2), found("c2", born=3))
    assert [one == ANNOTATION for one in answers] == [is_left] * 3


def test_annotation_that_is_taken_off_has_the_pod_watched(node: Node) -> None:
    node.tell(listed(container("app", "c1"), annotations=LEFT_ALONE))
    node.tell(listed(container("app", "c1")))
    assert name_of(node.who(found("c1", born=2))[0]) == "app"


def test_rules_say_what_is_watched_and_may_change(node: Node) -> None:
    node.tell(listed(container("app", "c1"), container("proxy", "c2")))
    node.rules = Rules(exclude=(Rule(container="proxy"),))
    app, proxy = node.who(found("c1", born=2), found("c2", born=3))
    assert (name_of(app), proxy) == ("app", EXCLUDED)
    node.rules = Rules(include=(Rule(workload="Deployment/web", container="proxy"),))
    app, proxy = node.who(found("c1", born=2), found("c2", born=3))
    assert (app, name_of(proxy)) == (EXCLUDED, "proxy")


def test_sandbox_is_known_beside_containers_that_are_excluded(node: Node) -> None:
    node.tell(listed(container("app", "c1")))
    node.rules = Rules(include=(Rule(namespace="other"),))
    assert node.who(found("s", born=1), found("c1", born=2)) == [SANDBOX, EXCLUDED]


def test_version_changes_with_every_listing_and_with_the_rules(node: Node) -> None:
    """And only then, so that nothing is looked up for nothing."""
    before = node.names.version()
    node.tell(listed(container("app", "c1")))
    told = node.names.version()
    assert told != before
    node.rules = Rules()
    assert node.names.version() == told
    node.rules = Rules(exclude=(Rule(container="proxy"),))
    assert node.names.version() != told


def test_container_that_runs_since_before_the_window_ought_to_be_seen(node: Node) -> None:
    """With all its names, but without a cgroup."""
    node.tell(listed(container("app", "c0", "c1", started=NOON)))
    (named,) = node.names.running(since=NOON + timedelta(seconds=1))
    assert named == Named(
        replica=Replica(namespace="shop", pod="web-u1", pod_uid="u1", container="app", container_id="c1", role="app"),
        workload=WEB,
    )


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(listed(container("app", "c1", started=NOON + timedelta(minutes=1))), id="it began in the window"),
        pytest.param(listed(container("app", "c1", started=None)), id="when it began is not told"),
        pytest.param(listed(container("app", "c1", runs=False)), id="it is over"),
        pytest.param(listed(container("app")), id="it never ran"),
        pytest.param(listed(container("app", "c1"), workload=None), id="its workload is not known yet"),
        pytest.param(
            listed(container("app", "c1"), annotations={"kinwatch.dev/watch": "false"}), id="it is left alone"
        ),
        pytest.param(listed(container("app", "c1"), namespace="ci"), id="it is excluded"),
    ],
)
def test_container_that_need_not_be_seen(node: Node, pod: Listed) -> None:
    node.rules = Rules(exclude=(Rule(namespace="ci"),))
    node.tell(pod)
    assert node.running() == []


def test_container_that_went_need_not_be_seen(node: Node) -> None:
    """Though its name is still known: with its pod, or by a restart."""
    node.tell(listed(container("app", "c1")), listed(container("app", "d1"), uid="u2"))
    node.tell(listed(container("app", "c2")), at_s=10)
    node.tell(listed(container("app", "c3")), at_s=20)
    assert node.running() == ["c3"]

"""
Check the API server: whether it answers, knows the agent, and lets it do what it has to, permission by permission.

Flow: settings, pods.connection -> **apiserver** -> report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from agent.doctor.examined import Examined
from agent.doctor.finding import Check, Finding
from agent.pods.apiserver import LISTING, PODS
from agent.pods.known import WATCHING
from agent.pods.owners import ApiOwners
from agent.pods.pod import Owner
from kinwatch.apiserver.connection import Connection, by_kubeconfig, in_cluster
from kinwatch.apiserver.refused import Asked, UnreadableError
from kinwatch.errors import InputError, OperatorError, PeerError

SERVER: Final = Check(
    name="api-server",
    why="the API server tells the pods where the kubelet does not, and who owns a ReplicaSet or a Job",
)
AUTHORISATION: Final = Check(
    name="api-server-authorisation",
    why="to tell the pods in the kubelet's place takes the verbs list and watch on pods",
)
NODE_NAME: Final = Check(name="node-name", why="the pods of this node are asked for by the node's name")
OWNERS: Final = Check(
    name="api-server-owners", why="a pod whose labels don't tell its workload is asked after by its ReplicaSet or Job"
)
CHECKS: Final = (SERVER, AUTHORISATION, NODE_NAME, OWNERS)

_ASKED_AFTER: Final = (
    Owner(api_version="apps/v1", kind="ReplicaSet", name="kinwatch-doctor"),
    Owner(api_version="batch/v1", kind="Job", name="kinwatch-doctor"),
)
"""Objects that there are not: 404 tells that one may ask, 403 that one may not."""
_NAMESPACE: Final = "default"
_WATCH_S: Final = "1"
_FROM_MEMORY: Final = "0"
"""The version that asks for whatever the API server has at hand: there pods are indexed by node, in its store not."""
_INSTEAD: Final = "; the kubelet tells the pods"
_ANONYMOUS: Final = "system:anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the API server said to each question."""

    server: str = ""
    """Its address, as far as it is known."""
    node: str
    obstacle: OperatorError | None = None
    """Why it says nothing to the agent at all."""
    forbidden: Sequence[OperatorError] = ()
    """What it does not let the agent do with pods."""
    some_pods: bool | None = None
    """Whether there are any on a node of this name; None: it was not told."""
    owners: Sequence[OperatorError] = ()
    """Which owners it doesn't tell."""

    @property
    def tells_pods(self) -> bool:
        """Whether it could take the kubelet's place."""
        return self.obstacle is None and not self.forbidden


def connection_of(examined: Examined, environ: Mapping[str, str]) -> Connection | OperatorError:
    """The API server by the settings; the error where there are no credentials for it."""
    asked = examined.identity
    try:
        if asked.kubeconfig:
            return by_kubeconfig(asked.kubeconfig)
        connection = in_cluster(environ, token_file=asked.token_file, ca_file=asked.ca_file)
        connection.check()
    except (PeerError, InputError) as error:
        return error
    return connection


def ask(connection: Connection | OperatorError, *, node: str) -> Answers:
    """Put every question; each is answered within seconds, and nothing is changed by it."""
    if isinstance(connection, OperatorError):
        return Answers(node=node, obstacle=connection)
    listed = _listed(connection, node)
    if listed.obstacle is not None:
        return Answers(server=connection.server, node=node, obstacle=listed.obstacle)
    watching = _watched(connection, node, version=listed.version)
    return Answers(
        server=connection.server,
        node=node,
        forbidden=[error for error in (listed.forbidden, watching) if error is not None],
        some_pods=listed.some_pods,
        owners=[error for owner in _ASKED_AFTER if (error := _owner(connection, owner)) is not None],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """What became of the first question: the pods of this node."""

    obstacle: OperatorError | None = None
    forbidden: OperatorError | None = None
    some_pods: bool | None = None
    version: str = ""
    """Of the list, to watch from."""


def _listed(connection: Connection, node: str) -> _Listed:
    status: int | None = None
    try:
        answer = connection.get(PODS, {**_of_node(node), "resourceVersion": _FROM_MEMORY})
        status = answer.status
        document = answer.document(LISTING)
        return _Listed(some_pods=bool(document["items"]), version=str(document["metadata"]["resourceVersion"]))
    except PeerError as error:
        is_forbidden = status == HTTPStatus.FORBIDDEN and _ANONYMOUS not in error.problem
        return _Listed(forbidden=error) if is_forbidden else _Listed(obstacle=error)
    except (KeyError, TypeError):
        return _Listed(obstacle=UnreadableError("what is no list of pods", asked=LISTING))


def _of_node(node: str) -> Mapping[str, str]:
    return {"fieldSelector": f"spec.nodeName={node}"}


def _watched(connection: Connection, node: str, *, version: str) -> OperatorError | None:
    query = {"watch": "true", "timeoutSeconds": _WATCH_S, "resourceVersion": version, **_of_node(node)}
    return _error(connection, PODS, query, WATCHING)


def _error(connection: Connection, path: str, query: Mapping[str, str], asked: Asked) -> OperatorError | None:
    """Why a question is not answered; its answer is not read."""
    try:
        answer = connection.get(path, query)
        if answer.status == HTTPStatus.OK:
            answer.close()
        else:
            answer.document(asked)
    except PeerError as error:
        return error
    return None


def _owner(connection: Connection, owner: Owner) -> OperatorError | None:
    try:
        ApiOwners(connection).owner_of(owner, _NAMESPACE)
    except PeerError as error:
        return error
    return None


def judge(answers: Answers, *, instead: bool) -> Sequence[Finding]:
    """What is to be said of it; `instead` tells whether the kubelet tells the pods."""
    if answers.obstacle is not None:
        return (
            _amiss(SERVER, [answers.obstacle], instead=instead),
            *(check.skipped(f"not reached: see {SERVER.name}") for check in CHECKS[1:]),
        )
    return (
        SERVER.ok(f"the API server at {answers.server} answers, and knows the agent"),
        _amiss(AUTHORISATION, answers.forbidden, instead=instead)
        if answers.forbidden
        else AUTHORISATION.ok("the agent may list and watch the pods of its node"),
        _node_name(answers),
        OWNERS.warning(_problems(answers.owners), remedy=_remedies(answers.owners))
        if answers.owners
        else OWNERS.ok("the agent may get ReplicaSets and Jobs"),
    )


def _node_name(answers: Answers) -> Finding:
    if answers.some_pods is None:
        return NODE_NAME.skipped("not told: see api-server-authorisation")
    if answers.some_pods:
        return NODE_NAME.ok(f"there are pods on the node {answers.node}")
    return NODE_NAME.warning(
        f"the API server knows no pod on a node {answers.node!r}",
        remedy="give the node's name by --node, as `kubectl get nodes` shows it; in a pod from spec.nodeName by the "
        "downward API",
    )


def _amiss(check: Check, errors: Sequence[OperatorError], *, instead: bool) -> Finding:
    if instead:
        return check.warning(_problems(errors) + _INSTEAD, remedy=_remedies(errors))
    return check.failed(_problems(errors), remedy=_remedies(errors))


def _problems(errors: Sequence[OperatorError]) -> str:
    return "; ".join(error.problem for error in errors)


def _remedies(errors: Sequence[OperatorError]) -> str:
    return "; ".join(dict.fromkeys(error.remedy for error in errors))

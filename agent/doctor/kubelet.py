"""
Check the kubelet, hurdle by hurdle: its address, its certificate, and whether it knows the agent and tells it the pods.

Flow: settings, pods.kubelet -> **kubelet** -> report. It is asked once; where one hurdle stops the request, those after
it are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.doctor.examined import Examined
from agent.doctor.finding import Check, Finding
from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet import Kubelet
from agent.pods.pace import Pace
from agent.pods.token import read_token
from kinwatch.errors import InputError

ADDRESS: Final = Check(name="kubelet-address", why="the kubelet tells whose the containers of this node are")
TLS: Final = Check(
    name="kubelet-tls", why="the agent shows its token to the kubelet of this node, and to nobody in its place"
)
AUTHENTICATION: Final = Check(name="kubelet-authentication", why="the kubelet tells nothing to whom it doesn't know")
AUTHORISATION: Final = Check(
    name="kubelet-authorisation", why="the kubelet tells the pods to those who may get nodes/pods"
)
ANSWER: Final = Check(name="kubelet-answer", why="what answers has to be a kubelet, and its list of pods whole")
CHECKS: Final = (ADDRESS, TLS, AUTHENTICATION, AUTHORISATION, ANSWER)

_OF_HURDLE: Final = {
    Hurdle.CONNECTION: ADDRESS,
    Hurdle.TLS: TLS,
    Hurdle.AUTHENTICATION: AUTHENTICATION,
    Hurdle.AUTHORISATION: AUTHORISATION,
    Hurdle.ANSWER: ANSWER,
}
_INSTEAD: Final = "; the API server tells the pods in its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How far a request for the pods came."""

    address: str
    node: str
    insecure: bool
    """Whether the certificate was not looked at."""
    who: str
    """As whom the agent asked, by its token."""
    pods: int | None = None
    """How many it was told; None: it was stopped."""
    stopped_at: Hurdle | None = None
    """Where it was stopped."""
    problem: str = ""
    remedy: str = ""


def ask(examined: Examined, *, apiserver_reachable: Callable[[], bool | None] | None) -> Asked:
    """Ask the kubelet once."""
    asked = examined.identity
    token = read_token(asked.token_file)

    def came(
        pods: int | None = None, *, stopped_at: Hurdle | None = None, problem: str = "", remedy: str = ""
    ) -> Asked:
        return Asked(
            address=asked.kubelet,
            node=examined.node,
            insecure=asked.kubelet_insecure,
            who=token.subject or f"whom the token in {token.file} names",
            pods=pods,
            stopped_at=stopped_at,
            problem=problem,
            remedy=remedy,
        )

    try:
        return came(_pods(examined, apiserver_reachable))
    except KubeletError as error:
        return came(stopped_at=error.hurdle, problem=error.problem, remedy=error.remedy)
    except InputError as error:
        return came(stopped_at=Hurdle.CONNECTION, problem=error.problem, remedy=error.remedy)


def _pods(examined: Examined, apiserver_reachable: Callable[[], bool | None] | None) -> int:
    asked = examined.identity
    kubelet = Kubelet(
        asked.kubelet,
        node=examined.node,
        pace=Pace(),
        token_file=asked.token_file,
        ca_file=asked.kubelet_ca or asked.ca_file,
        insecure=asked.kubelet_insecure,
        apiserver_reachable=apiserver_reachable,
    )
    try:
        return len(kubelet.pods())
    finally:
        kubelet.close()


def judge(asked: Asked, *, instead: bool) -> Sequence[Finding]:
    """What is to be said of it; `instead` tells whether the API server tells the pods as well."""
    return tuple(_findings(asked, instead=instead))


def _findings(asked: Asked, *, instead: bool) -> Iterator[Finding]:
    stopping: Check | None = None
    for hurdle, check in _OF_HURDLE.items():
        if stopping is not None:
            yield check.skipped(f"not reached: see {stopping.name}")
        elif hurdle is asked.stopped_at:
            stopping = check
            yield _stopped(check, asked, instead=instead)
        else:
            yield _passed(check, asked)


def _stopped(check: Check, asked: Asked, *, instead: bool) -> Finding:
    if instead:
        return check.warning(f"{asked.problem}{_INSTEAD}", remedy=asked.remedy)
    return check.failed(asked.problem, remedy=asked.remedy)


def _passed(check: Check, asked: Asked) -> Finding:
    if check is TLS and asked.insecure:
        return TLS.warning(
            f"the certificate of {asked.address} is not looked at, as --kubelet-insecure has it",
            remedy="give the CA of the kubelet's certificate by --kubelet-ca, and leave --kubelet-insecure out; "
            "serverTLSBootstrap: true in the kubelet's configuration has the cluster's CA sign it",
        )
    return check.ok(_WORDS[check.name].format(asked=asked))


_WORDS: Final = {
    ADDRESS.name: "the kubelet takes connections at {asked.address}",
    TLS.name: "its certificate is trusted, and is that of {asked.node}",
    AUTHENTICATION.name: "the kubelet knows the agent: {asked.who}",
    AUTHORISATION.name: "the agent may get the pods of this node",
    ANSWER.name: "{asked.pods} pods",
}

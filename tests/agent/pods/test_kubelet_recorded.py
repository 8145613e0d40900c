"""Each answer that a real kubelet gave is either pods, or an error with words of its own and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from asking import ISSUER, Asking, jwt
from playback import PlaybackKubelet
from recordings import rows

from agent.pods.hurdle import Hurdle, KubeletError

ROWS: Final = {row.name: row for row in rows()}
GIVING_PODS: Final = [row.name for row in ROWS.values() if row.status == 200 and row.request.startswith("GET /pods")]
NO_PODS: Final = [name for name in ROWS if name not in GIVING_PODS]
PODS: Final = {"pods-apiserver-down-cached-token": 11}
"""In the recordings that don't have ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the error says."""

    hurdle: Hurdle
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the agent has, where that makes the difference."""

    text: str | None = field(default_factory=jwt)
    apiserver: Callable[[], bool | None] | None = None


CREDENTIALS: Final = {
    "pods-anonymous": Credential(text=None),
    "pods-bad-token": Credential(text="not.a.token"),
    "pods-wrong-audience": Credential(text=jwt(aud=["vault"])),
    "pods-apiserver-down-new-token": Credential(apiserver=lambda: False),
}

EXEC: Final = "run commands in every container"
TOLD: Final = {
    "pods-anonymous": Told(
        hurdle=Hurdle.AUTHENTICATION, problem="there is no file ", remedy="automountServiceAccountToken is not false"
    ),
    "pods-bad-token": Told(hurdle=Hurdle.AUTHENTICATION, problem="which would be a JWT", remedy="mount a projected"),
    "pods-wrong-audience": Told(
        hurdle=Hurdle.AUTHENTICATION,
        problem=f"its audience is 'vault', and it wants one that the API server takes for its own, mostly '{ISSUER}'",
        remedy="without an audience",
    ),
    "pods-apiserver-down-new-token": Told(
        hurdle=Hurdle.AUTHENTICATION, problem="the API server is away", remedy="until the API server is back"
    ),
    "pods-no-permission": Told(
        hurdle=Hurdle.AUTHORISATION,
        problem="system:serviceaccount:monitoring:agent-no-perm may not get nodes/pods (nor nodes/proxy,",
        remedy='add the rule {apiGroups: [""], resources: [nodes/pods], verbs: [get]} to the ClusterRole that is bound '
        "to the ServiceAccount agent-no-perm in the namespace monitoring; prefer it to nodes/proxy",
    ),
    "pods-post-nodes-proxy": Told(
        hurdle=Hurdle.AUTHORISATION, problem="may not create nodes/pods", remedy="verbs: [create]"
    ),
    "stats-no-permission": Told(
        hurdle=Hurdle.AUTHORISATION, problem="agent-no-perm may not get nodes/stats", remedy="resources: [nodes/stats]"
    ),
    "stats-nodes-proxy": Told(
        hurdle=Hurdle.AUTHORISATION, problem="agent-nodes-proxy may not get nodes/stats", remedy="[nodes/stats]"
    ),
    "metrics-nodes-proxy": Told(
        hurdle=Hurdle.AUTHORISATION, problem="may not get nodes/metrics", remedy="resources: [nodes/metrics]"
    ),
    "configz-nodes-pods": Told(
        hurdle=Hurdle.AUTHORISATION, problem="may not get nodes/configz (nor nodes/proxy", remedy=EXEC
    ),
    "healthz-nodes-pods": Told(
        hurdle=Hurdle.AUTHORISATION, problem="may not get nodes/healthz (nor nodes/proxy", remedy=EXEC
    ),
    "notfound-nodes-proxy": Told(
        hurdle=Hurdle.ANSWER, problem="'404 page not found'; so this is no kubelet", remedy="whose port is 10250"
    ),
    "configz-nodes-proxy": Told(hurdle=Hurdle.ANSWER, problem="is JSON, and this is no PodList", remedy="the address"),
    "healthz-nodes-proxy": Told(hurdle=Hurdle.ANSWER, problem="is not JSON", remedy="the address is the kubelet's own"),
}


@pytest.fixture(name="told_of")
def _told_of(played: PlaybackKubelet, asking: Asking, token_file: Path) -> Callable[[str], KubeletError]:
    """Gives the error to which a recording leads."""

    def told_of(name: str) -> KubeletError:
        credential = CREDENTIALS.get(name, Credential())
        token_file.unlink(missing_ok=True)
        if credential.text is not None:
            token_file.write_text(credential.text)
        played.tokens[credential.text] = name
        with pytest.raises(KubeletError) as raised:
            asking(apiserver_reachable=credential.apiserver).pods()
        return raised.value

    return told_of


@pytest.mark.parametrize("name", GIVING_PODS)
def test_answer_that_gives_the_pods(played: PlaybackKubelet, asking: Asking, token: str, name: str) -> None:
    """A token that was seen in the last two minutes goes on working while the API server is away."""
    played.tokens[token] = name
    assert len(asking().pods()) == PODS.get(name, 10)


def test_answer_that_gives_less_than_pods(played: PlaybackKubelet, asking: Asking, token: str) -> None:
    """/runningpods tells of the runtime's view; it is a PodList, so it is read, though nobody asks for it."""
    played.tokens[token] = "runningpods-nodes-pods"
    assert len(asking().pods()) == 9


@pytest.mark.parametrize("name", [name for name in NO_PODS if name != "runningpods-nodes-pods"])
def test_answer_that_gives_no_pods(told_of: Callable[[str], KubeletError], name: str) -> None:
    error = told_of(name)
    expected = TOLD[name]
    assert expected.problem in error.problem
    assert expected.remedy in error.remedy
    assert error.hurdle is expected.hurdle
    assert error.lasting is (name != "pods-apiserver-down-new-token")


def test_no_two_answers_are_told_alike(told_of: Callable[[str], KubeletError]) -> None:
    """Whoever reads the message knows which of them it was."""
    errors: dict[str, Any] = {name: told_of(name) for name, row in ROWS.items() if row.status != 200}
    assert len(errors) == 12
    assert len({error.problem for error in errors.values()}) == len(errors)


def test_every_recording_is_played() -> None:
    """A row that is added to the index asks for words of its own."""
    assert {*TOLD, *GIVING_PODS, "runningpods-nodes-pods"} == set(ROWS)

"""
Say what an answer of the kubelet that is no list of pods means, each in its own words and with its own remedy.

Flow: kubelet_channel -> **refusals** -> kubelet. Pure. The texts are those of the kubelet's own filters
(pkg/kubelet/server).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.token import Token
from agent.pods.unauthorised import shortened, unauthorised, without_token

ANONYMOUS: Final = "system:anonymous"
"""Whom the kubelet takes a request for that comes without a credential, or with one that it doesn't look at."""

_FORBIDDEN: Final = re.compile(
    r"(?:Forbidden|Authorization error) \(user=(?P<user>.*), verb=(?P<verb>[^,]*), resource=(?P<resource>[^,]*), "
    r"subresource(?:\(s\)=\[(?P<several>[^\]]*)\]|=(?P<one>[^,)]*))"
)
"""403 and, where the API server could not be asked, 500; one subresource up to Kubernetes 1.32, then several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was asked for and not granted."""

    user: str
    verb: str
    resources: tuple[str, ...]
    """Any one of them would do; the finest comes first: `nodes/pods`, `nodes/proxy`."""


def refused_of(body: str) -> Refused | None:
    """What the kubelet says was not granted; None when the text isn't the kubelet's."""
    found = _FORBIDDEN.match(body)
    if found is None:
        return None
    subresources = (found["several"] if found["one"] is None else found["one"]).split()
    resources = tuple(f"{found['resource']}/{subresource}" for subresource in subresources)
    return Refused(user=found["user"], verb=found["verb"], resources=resources or (found["resource"],))


def refusal(
    status: int, body: str, *, url: str, token: Token, now: datetime, apiserver: bool | None = None
) -> KubeletError:
    """What an answer whose status is not 200 means; `apiserver` tells whether it can be reached, None if unknown."""
    refused = refused_of(body)
    if status == HTTPStatus.UNAUTHORIZED:
        return unauthorised(token, now=now, apiserver=apiserver)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(refused, body, url=url, token=token)
    if status == HTTPStatus.NOT_FOUND:
        return _not_there(url, body)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and refused is not None:
        return _undecided(refused)
    return _odd(status, body, url=url)


def _forbidden(refused: Refused | None, body: str, *, url: str, token: Token) -> KubeletError:
    if refused is None:
        return _denied(
            f"{url} is forbidden, and not in the kubelet's words: {_excerpt(body)}",
            remedy="see whether a proxy or a firewall stands between the agent and the kubelet, and give the "
            "kubelet's own address",
        )
    if refused.user == ANONYMOUS:
        return _ignored(token) if token.text else without_token(token)
    wanted = refused.resources[0]
    return _denied(
        f"{shortened(refused.user)} may not {shortened(refused.verb)} {shortened(wanted)}"
        f"{_or_else(refused.resources)}{_age_of(refused)}",
        remedy=f"{_rule(refused, wanted)}{_caution(refused)}",
    )


def _rule(refused: Refused, wanted: str) -> str:
    rule = f'{{apiGroups: [""], resources: [{shortened(wanted)}], verbs: [{shortened(refused.verb)}]}}'
    return f"add the rule {rule} to the ClusterRole that is bound to {_holder(shortened(refused.user))}"


def _holder(user: str) -> str:
    """`system:serviceaccount:NAMESPACE:NAME` as a person calls it."""
    parts = user.split(":")
    is_account = parts[:2] == ["system", "serviceaccount"] and len(parts) == len(("", "", "namespace", "name"))
    return f"the ServiceAccount {parts[3]} in the namespace {parts[2]}" if is_account else f"the user {user}"


def _or_else(resources: tuple[str, ...]) -> str:
    return f" (nor {shortened(', '.join(resources[1:]))}, which would do too)" if resources[1:] else ""


def _age_of(refused: Refused) -> str:
    if refused.resources != ("nodes/proxy",):
        return ""
    return ": this kubelet asks for no finer permission, as those before Kubernetes 1.33 do for /pods"


def _caution(refused: Refused) -> str:
    if refused.resources == ("nodes/proxy",):
        return (
            "; it also lets its holder run commands in every container of the node, so rather upgrade to 1.33, where "
            "nodes/pods is enough, or have the pods told by the API server"
        )
    if "nodes/proxy" in refused.resources:
        return "; prefer it to nodes/proxy, which lets its holder run commands in every container of the node"
    return ""


def _ignored(token: Token) -> KubeletError:
    return KubeletError(
        f"the kubelet does not look at the token in {token.file}, and takes the agent for {ANONYMOUS}",
        remedy="set authentication.webhook.enabled: true in the kubelet's configuration; do not give "
        f"{ANONYMOUS} a permission",
        hurdle=Hurdle.AUTHENTICATION,
        lasting=True,
    )


def _undecided(refused: Refused) -> KubeletError:
    return KubeletError(
        f"the kubelet could not ask the API server whether {shortened(refused.user)} may {shortened(refused.verb)} "
        f"{shortened(refused.resources[0])}",
        remedy="see that the API server runs and that this node reaches it; the kubelet's log has the reason",
        hurdle=Hurdle.AUTHORISATION,
    )


def _not_there(url: str, body: str) -> KubeletError:
    return KubeletError(
        f"there is no {url}: {_excerpt(body)}; so this is no kubelet",
        remedy="give the address of the kubelet itself, whose port is 10250 unless its configuration says otherwise, "
        "not that of the API server or of a proxy",
        hurdle=Hurdle.ANSWER,
        lasting=True,
    )


def _odd(status: int, body: str, *, url: str) -> KubeletError:
    passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    }
    return KubeletError(
        f"{url} answered with status {status}: {_excerpt(body)}",
        remedy="see the kubelet's log on the node (journalctl -u kubelet), and its load"
        if passing
        else "see that the address is the kubelet's own, and that no proxy stands in between",
        hurdle=Hurdle.ANSWER,
        lasting=not passing,
    )


def _denied(problem: str, *, remedy: str) -> KubeletError:
    return KubeletError(problem, remedy=remedy, hurdle=Hurdle.AUTHORISATION, lasting=True)


def _excerpt(body: str) -> str:
    return repr(shortened(body.strip())) if body.strip() else "without a word"

"""
Say why the kubelet takes a credential for nobody's.

Flow: token -> **unauthorised** -> refusals. Pure. The kubelet's 401 is the same twelve bytes whatever the reason, so
the reason is looked for in what is known of the token itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.token import Token

APISERVER_MARKS: Final = ("kubernetes", "k8s", "k3s")
"""In the names that API servers go by as an audience: kubernetes.default.svc, NAME.azmk8s.io, k3s."""
SHOWN_CHARACTERS: Final = 200
"""Of what a token or an answer says, at most so much goes into a message."""

_MOUNT: Final = "let the pod mount a projected serviceAccountToken without an audience"


def unauthorised(token: Token, *, now: datetime, apiserver: bool | None) -> KubeletError:
    """Why a request with this token was answered 401; `apiserver` tells whether it can be reached, None if unknown."""
    if not token.text:
        return without_token(token)
    if token.claims is None:
        return _refused(
            f"the kubelet knows nobody by what {token.file} holds: it is no ServiceAccount token, which would be a JWT",
            remedy=f"{_MOUNT}, and name its file as the token file",
        )
    if token.expires is not None and token.expires <= now:
        return _expired(token, token.expires)
    if not _is_for_apiserver(token):
        return _for_another(token)
    return _unchecked(token) if apiserver is False else _unknown(token, away_too=apiserver is None)


def without_token(token: Token) -> KubeletError:
    """Nobody may read the pods unnamed, and there is no token to say a name by."""
    return _refused(
        f"the kubelet wants a token, and the agent has none: {token.absence}",
        remedy="see that automountServiceAccountToken is not false in the pod or its ServiceAccount, or "
        f"{_MOUNT} and name its file as the token file",
    )


def _expired(token: Token, expires: datetime) -> KubeletError:
    return _refused(
        f"the kubelet refuses the token in {token.file}: it expired at {_moment(expires)}",
        remedy="a projected token is renewed by the kubelet in good time: see that the file is a projected volume, not "
        "a copy or a subPath mount, that the kubelet reaches the API server, and that the node's clock is right",
    )


def _for_another(token: Token) -> KubeletError:
    audiences = shortened(", ".join(map(repr, token.audiences)))
    expected = repr(shortened(token.issuer)) if token.issuer else "'https://kubernetes.default.svc'"
    return _refused(
        f"the kubelet refuses the token in {token.file}: its audience is {audiences}, and it wants one that the API "
        f"server takes for its own, mostly {expected}",
        remedy=f"{_MOUNT}, which gives it the API server's; or name the file of another token",
    )


def _unchecked(token: Token) -> KubeletError:
    return KubeletError(
        f"the kubelet could not have the token{_of(token)} checked: the API server is away, and this token was not "
        "checked in the last two minutes",
        remedy="nothing is wrong with the token as far as can be told; wait until the API server is back, "
        "or see why this node can't reach it",
        hurdle=Hurdle.AUTHENTICATION,
        lasting=False,
    )


def _unknown(token: Token, *, away_too: bool) -> KubeletError:
    away = "the API server is away and the kubelet could not have it checked, or " if away_too else ""
    return _refused(
        f"the kubelet refuses the token{_of(token)} in {token.file}, which looks valid: {away}it was revoked (its "
        "pod or ServiceAccount is gone), or it is from another cluster, or the kubelet checks no tokens",
        remedy="start the pod anew for a new token; see `kubectl get --raw /readyz`, and that the kubelet's "
        "configuration has authentication.webhook.enabled: true",
    )


def _is_for_apiserver(token: Token) -> bool:
    return not token.audiences or any(
        audience == token.issuer or any(mark in audience for mark in APISERVER_MARKS) for audience in token.audiences
    )


def _of(token: Token) -> str:
    return f" of {shortened(token.subject)}" if token.subject else ""


def _refused(problem: str, *, remedy: str) -> KubeletError:
    return KubeletError(problem, remedy=remedy, hurdle=Hurdle.AUTHENTICATION, lasting=True)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def shortened(text: str) -> str:
    """The text, cut where it is too long for a message."""
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"

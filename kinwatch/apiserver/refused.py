"""
Word what the API server refuses, from the status that it gives for a reason.

Flow: answer -> **refused** -> apiserver, owners. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kinwatch.errors import PeerError

LONGEST_MESSAGE: Final = 300
"""Characters of the API server's own words that are passed on; the rest is cut."""
GONE: Final = 410
_TOO_LARGE: Final = "ResourceVersionTooLarge"
"""Cause given by a server that was set back to before what is asked for (apimachinery/pkg/apis/meta/v1, CauseType)."""

_CREDENTIALS: Final = (
    "see that the pod's service account still exists and its token is projected into the pod, or that the "
    "kubeconfig's user is still valid: `kubectl --kubeconfig FILE auth whoami`"
)
_ADDRESS: Final = (
    "see that the address is that of a Kubernetes API server: KUBERNETES_SERVICE_HOST and _PORT in a pod, or "
    "`server` in the kubeconfig"
)
_HEALTH: Final = "look at the API server and at what is in front of it: `kubectl get --raw '/readyz?verbose'`"
_LOAD: Final = (
    "nothing if it passes; if it stays, give the pod's service account a FlowSchema of its own (API Priority and "
    "Fairness), or find what overloads the API server"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the API server was asked to do, and what it takes to be allowed to."""

    doing: str
    """As `list pods`."""
    permission: str
    """As ``the verbs `list` and `watch` on `pods`, in a ClusterRole``."""


class RefusedError(PeerError):
    """The API server answered that it won't, with an HTTP status."""

    def __init__(
        self, problem: str, *, remedy: str, lasting: bool, code: int, expired: bool, retry_after_s: float
    ) -> None:
        super().__init__(problem, remedy=remedy, lasting=lasting)
        self.code = code
        """The HTTP status."""
        self.expired = expired
        """Whether it is because the version that was asked for is one the API server has no more, or not yet."""
        self.retry_after_s = retry_after_s
        """For how long it wants to be left alone; 0: it doesn't say."""


class UnreadableError(PeerError):
    """The API server answered what can't be read as what was asked for."""

    def __init__(self, found: str, *, asked: Asked) -> None:
        super().__init__(f"asked to {asked.doing}, the API server answers {found}", remedy=_ADDRESS)


def refused(code: int, status: Any, *, asked: Asked, retry_after_s: float = 0) -> RefusedError:
    """
    The error of an HTTP status other than 200, or of an ERROR event in a watch.

    `status` is the body as json.loads gives it, most often a Status (apimachinery/pkg/apis/meta/v1), or its text.
    """
    said = _message(status)
    problem, remedy, lasting = _not_allowed(code, said, asked) or _not_able(code, said, asked)
    details = _details(status)
    told_s = details.get("retryAfterSeconds")
    return RefusedError(
        problem,
        remedy=remedy,
        lasting=lasting,
        code=code,
        expired=code == GONE or any(cause.get("reason") == _TOO_LARGE for cause in details.get("causes") or ()),
        retry_after_s=max(retry_after_s, told_s if isinstance(told_s, int | float) else 0),
    )


def _not_allowed(code: int, said: str, asked: Asked) -> tuple[str, str, bool] | None:
    """Problem, remedy, and whether it lasts, if the agent is the one who may not."""
    match code:
        case 401:
            return f"the API server does not accept these credentials: {said}", _CREDENTIALS, True
        case 403 if "system:anonymous" in said:
            return f"the API server was shown no credentials that it knows: {said}", _CREDENTIALS, True
        case 403:
            problem = f"the API server does not allow us to {asked.doing}: {said}"
            return problem, f"grant the pod's service account {asked.permission}", True
        case _:
            return None


def _not_able(code: int, said: str, asked: Asked) -> tuple[str, str, bool]:
    """The same, if it is not about what the agent may."""
    match code:
        case 410:
            return f"the API server does not keep what was asked for any more: {said}", _HEALTH, False
        case 429:
            return f"the API server has too much to do to {asked.doing} (HTTP 429): {said}", _LOAD, False
        case _ if code >= 500:  # noqa: PLR2004 - RFC 9110, section 15.6: the server's own errors
            return f"asked to {asked.doing}, the API server answers HTTP {code}: {said}", _HEALTH, False
        case _:
            return f"asked to {asked.doing}, the API server answers HTTP {code}: {said}", _ADDRESS, True


def _message(status: Any) -> str:
    text = str(status.get("message") or status.get("reason") or "") if isinstance(status, Mapping) else str(status)
    return text.strip()[:LONGEST_MESSAGE] or "it does not say why"


def _details(status: Any) -> Mapping[str, Any]:
    details = status.get("details") if isinstance(status, Mapping) else None
    return details if isinstance(details, Mapping) else {}

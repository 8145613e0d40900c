"""
Know an agent by the token of its pod, which the API server reviews.

Flow: credential -> **token_review** -> principal. The token is bound to the agent's pod, and so to its node: what is
forged, revoked, expired or meant for others the API server refuses, and a batch of another node speaks_for does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import Remembered
from aggregator.auth.review_shapes import Reviewed, User
from aggregator.auth.reviews import Reviews
from aggregator.auth.tokens import checked, claims, digest
from aggregator.auth.values import AUDIENCE, Credential, Principal, Via
from kinwatch.printable import printable

ACCOUNT_PREFIX: Final = "system:serviceaccount:"
NODE_NAME: Final = "authentication.kubernetes.io/node-name"
"""Told since Kubernetes 1.30 (ServiceAccountTokenPodNodeInfo)."""
POD_NAME: Final = "authentication.kubernetes.io/pod-name"
POD_UID: Final = "authentication.kubernetes.io/pod-uid"
LONGEST_SHOWN: Final = 300
"""Characters of a stranger's words that an error repeats."""

_PROJECTED: Final = (
    f"project a token into the agent's pod with the audience `{AUDIENCE}` (volumes[].projected.sources[]."
    "serviceAccountToken.audience), and let the agent read it anew for each request"
)


def agent_account(namespace: str, name: str = "kinwatch-agent") -> str:
    """The agents' ServiceAccount as the API server calls it."""
    return f"{ACCOUNT_PREFIX}{namespace}:{name}"


class TokenReviewAgents:
    """Agents that run as pods of this cluster, under a ServiceAccount of this list."""

    def __init__(
        self, reviews: Reviews, *, accounts: Iterable[str], remembered: Remembered[Principal] | None = None
    ) -> None:
        self._reviews = reviews
        self._accounts = frozenset(accounts)
        self.remembered: Remembered[Principal] = remembered or Remembered()

    def takes(self, credential: Credential) -> bool:
        """Whether there is a token to review."""
        return credential.token is not None

    def authenticate(self, credential: Credential) -> Principal:
        """Whose pod sends; asks the API server at most once a minute."""
        token = checked(credential.token)
        said = claims(token)
        if said is None:
            raise AuthError(Reason.BAD_TOKEN, "the token is not a ServiceAccount's: it is no JWT", remedy=_PROJECTED)
        if AUDIENCE not in said.audiences:  # the API server would say the same, and need not be asked
            raise _of_others(said.audiences)
        return self.remembered.get(digest(token), lambda: self._asked(token), expires_s=said.expires_s)

    def _asked(self, token: str) -> Principal:
        user = known(self._reviews.token(token, audiences=(AUDIENCE,)))
        if user.name not in self._accounts:
            raise AuthError(
                Reason.OTHER_ACCOUNT,
                f"the token is that of {printable(user.name)}, who is no agent",
                remedy=f"agents are {', '.join(sorted(self._accounts))}: let the agent run under that ServiceAccount, "
                "or name its own by --agent-service-account",
                principal=user.name,
            )
        return Principal(name=user.name, node=self._node(user), via=Via.TOKEN_REVIEW)

    def _node(self, user: User) -> str:
        """The node that the token is bound to, be it by its pod."""
        node = user.only(NODE_NAME)
        if node:
            return node
        pod, uid = user.only(POD_NAME), user.only(POD_UID)
        if not (pod and uid):
            raise AuthError(
                Reason.NO_NODE,
                f"the token of {user.name} is bound to no pod and no node",
                remedy=f"{_PROJECTED}; one made by `kubectl create token` or kept in a Secret tells no node",
                principal=user.name,
            )
        return self._node_of(user, pod, uid)

    def _node_of(self, user: User, pod: str, uid: str) -> str:
        """The node of a pod, for a cluster too old to say; a pod's node never changes while its uid is the same."""
        namespace = user.name.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
        found = self._reviews.pod(namespace, pod)
        if found is None or found.uid != uid:
            raise AuthError(
                Reason.BAD_TOKEN,
                f"the token is bound to the pod {namespace}/{pod} with uid {uid}, which is gone",
                remedy="nothing, if the pod was replaced just now; if not, ask who else has its token",
                principal=user.name,
            )
        if found.node is None:
            raise AuthError(
                Reason.NO_NODE,
                f"the pod {namespace}/{pod}, to which the token is bound, runs on no node",
                remedy="ask who has the token of a pod that was never started",
                principal=user.name,
            )
        return found.node


def known(told: Reviewed) -> User:
    """Whose token was reviewed for our audience; raises AuthError if it is nobody's, or not meant for us."""
    if told.user is None:
        raise unknown(told.error)
    if AUDIENCE not in told.audiences:
        raise AuthError(
            Reason.AUDIENCE_UNCHECKED,
            "the API server accepts the token, but does not say for whom: it ignores audiences",
            remedy="ask who reviews tokens in this cluster: an authentication webhook must return `status.audiences`",
            principal=told.user.name,
        )
    return told.user


def unknown(error: str) -> AuthError:
    """The error of a token that the API server does not accept, by the words of its authenticators."""
    said = printable(error) or "it does not say why"
    if "expired" in error:
        return AuthError(Reason.EXPIRED, f"the token has expired: {said}", remedy=_PROJECTED)
    if "audience" in error:
        return AuthError(Reason.WRONG_AUDIENCE, f"the token is meant for somebody else: {said}", remedy=_PROJECTED)
    return AuthError(Reason.BAD_TOKEN, f"the API server does not know the token: {said}", remedy=_PROJECTED)


def _of_others(audiences: frozenset[str]) -> AuthError:
    named = printable(", ".join(sorted(audiences)))[:LONGEST_SHOWN] or "the API server alone"
    return AuthError(Reason.WRONG_AUDIENCE, f"the token is meant for {named}, not for {AUDIENCE}", remedy=_PROJECTED)

"""
Know a reader by any token of the cluster, and let it read what the cluster's RBAC grants it.

Flow: credential -> **access_review** -> principal. A TokenReview says who it is, a SubjectAccessReview what it may.

The path that is reviewed is `/kinwatch` + ours. Without that, `/api/v1/verdicts` would be open to everybody with an
account: the ClusterRole system:discovery grants `get` on `/api/*` to all of them.
"""

from __future__ import annotations

from typing import Final

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import Remembered
from aggregator.auth.review_shapes import Reviewed, User
from aggregator.auth.reviews import Reviews
from aggregator.auth.token_review import known, unknown
from aggregator.auth.tokens import checked, claims, digest
from aggregator.auth.values import AUDIENCE, Credential, Principal, Via
from kinwatch.printable import printable

PREFIX: Final = "/kinwatch"
"""Put before our paths where RBAC is asked: `nonResourceURLs: ["/kinwatch/*"]`."""
LONGEST_PATH: Final = 1024


class AccessReviewReaders:
    """Whoever the cluster knows, as far as its RBAC lets them."""

    def __init__(
        self,
        reviews: Reviews,
        *,
        users: Remembered[User] | None = None,
        accesses: Remembered[Principal] | None = None,
    ) -> None:
        self._reviews = reviews
        self.users: Remembered[User] = users or Remembered()
        self.accesses: Remembered[Principal] = accesses or Remembered()

    def takes(self, credential: Credential) -> bool:
        """Whether there is a token to review."""
        return credential.token is not None

    def authorise(self, credential: Credential, *, verb: str, path: str) -> Principal:
        """Who reads; asks the API server at most once a minute, and once a minute for each path."""
        token = checked(credential.token)
        said = claims(token)
        expires_s = said.expires_s if said else None
        is_ours = said is not None and AUDIENCE in said.audiences
        user = self.users.get(digest(token), lambda: self._user(token, is_ours=is_ours), expires_s=expires_s)
        question = (digest(token), verb.lower(), path)
        return self.accesses.get(question, lambda: self._allowed(user, verb.lower(), path), expires_s=expires_s)

    def _user(self, token: str, *, is_ours: bool) -> User:
        """Whose token it is: meant for us, or for the API server, as those of people and of `kubectl create token`."""
        if is_ours:
            return known(self._reviews.token(token, audiences=(AUDIENCE,)))
        return _of_api_server(self._reviews.token(token, audiences=()))

    def _allowed(self, user: User, verb: str, path: str) -> Principal:
        asked = PREFIX + path
        if len(path) > LONGEST_PATH or not path.startswith("/"):
            raise AuthError(Reason.FORBIDDEN, "no such path", remedy="ask for one of ours", principal=user.name)
        answer = self._reviews.access(user, verb=verb, path=asked)
        if answer.allowed:
            return Principal(name=user.name, node=None, via=Via.TOKEN_REVIEW)
        raise AuthError(
            Reason.FORBIDDEN,
            f"{printable(user.name)} may not {verb} {printable(asked)}: {printable(answer.why) or 'no rule says so'}",
            remedy=f"bind it to a ClusterRole with the rule {{nonResourceURLs: [{PREFIX}/*], verbs: [{verb}]}}",
            principal=user.name,
        )


def _of_api_server(told: Reviewed) -> User:
    if told.user is None:
        raise unknown(told.error)
    return told.user

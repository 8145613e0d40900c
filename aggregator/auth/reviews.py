"""
Ask the API server whose token it is, what somebody may, and on which node a pod runs.

Flow: token_review, access_review -> **reviews** -> kinwatch.apiserver. What the API server can't or won't answer is an
AuthError of status 503 from here on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote

from aggregator.auth.lines import Lines
from aggregator.auth.review_shapes import Allowed, Placed, Reviewed, User, allowed, placed, reviewed
from kinwatch.apiserver.answer import Answer
from kinwatch.apiserver.connection import Connection
from kinwatch.apiserver.refused import Asked, RefusedError

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - no password
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
READ_S: Final = 5.0
"""For how long the API server may be silent; less than an agent waits for its answer."""

_DELEGATOR: Final = "bind it to the ClusterRole system:auth-delegator by a ClusterRoleBinding"
TOKEN: Final = Asked(
    doing="create tokenreviews.authentication.k8s.io",
    permission=f"the verb `create` on `tokenreviews` in `authentication.k8s.io`: {_DELEGATOR}",
)
ACCESS: Final = Asked(
    doing="create subjectaccessreviews.authorization.k8s.io",
    permission=f"the verb `create` on `subjectaccessreviews` in `authorization.k8s.io`: {_DELEGATOR}",
)
POD: Final = Asked(
    doing="get a pod, whose token does not tell its node, as before Kubernetes 1.30",
    permission="the verb `get` on `pods`, in a Role of the agents' namespace",
)
_NOT_FOUND: Final = 404


Told = TypeVar("Told")


class Reviews:
    """The API server's word; for any number of threads. Each question raises AuthError of status 503 if it has none."""

    def __init__(self, lines: Lines, *, read_s: float = READ_S) -> None:
        self._lines = lines
        self._read_s = read_s

    def token(self, token: str, *, audiences: tuple[str, ...]) -> Reviewed:
        """Whose token it is, if it is meant for one of these audiences; none: for the API server itself."""
        spec = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        return self._told(TOKEN, self._posting(TOKEN_REVIEWS, review), lambda told: reviewed(told, asked=TOKEN))

    def access(self, user: User, *, verb: str, path: str) -> Allowed:
        """Whether a user may do this to a path, which is no resource of the API server's."""
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
            "nonResourceAttributes": {"path": path, "verb": verb},
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return self._told(ACCESS, self._posting(ACCESS_REVIEWS, review), lambda told: allowed(told, asked=ACCESS))

    def pod(self, namespace: str, name: str) -> Placed | None:
        """Where a pod runs; None if there is none of the name."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"
        return self._told(
            POD,
            lambda line: line.get(path, read_s=self._read_s),
            lambda told: None if told is None else placed(told, asked=POD),
        )

    def _posting(self, path: str, review: Any) -> Callable[[Connection], Answer]:
        return lambda line: line.post(path, review, read_s=self._read_s)

    def _told(self, asked: Asked, ask: Callable[[Connection], Answer], read: Callable[[Any], Told]) -> Told:
        with self._lines.one() as line:
            return read(_document(ask(line), asked))


def _document(answer: Answer, asked: Asked) -> Any:
    """What was answered; None where there is nothing of the name."""
    try:
        return answer.document(asked)
    except RefusedError as error:
        if error.code == _NOT_FOUND and asked is POD:
            return None
        raise

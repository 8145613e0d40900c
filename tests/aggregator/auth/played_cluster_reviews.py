"""What the played cluster knows of tokens, and of who may what."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from played_cluster import PlayedCluster

ITSELF = "https://kubernetes.default.svc.cluster.local"
EXTRA = "authentication.kubernetes.io/"


class UnknownError(Exception):
    """The token is not accepted."""


def token_reviewed(cluster: PlayedCluster, spec: Any) -> Any | None:
    """The status of a TokenReview; None if the API server would not take it."""
    if not spec.get("token"):
        return None  # «token is required for TokenReview in authentication»
    requested = spec.get("audiences") or [ITSELF]
    try:
        user, audiences = _authenticated(cluster, spec["token"], requested)
    except UnknownError as error:
        return {"user": {}, "error": f"[invalid bearer token, {error}]"}
    told = {"audiences": audiences} if cluster.minds_audiences else {}
    return {"authenticated": True, "user": user, **told}


def _authenticated(cluster: PlayedCluster, token: str, requested: list[str]) -> tuple[Any, list[str]]:
    claims = _verified(cluster, token)
    audiences = [one for one in claims["aud"] if one in requested]
    if not audiences and cluster.minds_audiences:
        told, wanted = (" ".join(f'"{one}"' for one in several) for several in (claims["aud"], requested))
        raise UnknownError(f"token audiences [{told}] is invalid for the target audiences [{wanted}]")
    if claims["exp"] <= cluster.now_s():
        raise UnknownError("service account token has expired")
    private = claims["kubernetes.io"]
    _check_pod(cluster, private)
    return _user(private), audiences


def _verified(cluster: PlayedCluster, token: str) -> Any:
    signed, _, signature = token.rpartition(".")
    if signature != cluster.signature(signed):
        raise UnknownError("token lookup failed")
    try:
        payload = signed.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError) as error:
        raise UnknownError("token lookup failed") from error


def _check_pod(cluster: PlayedCluster, private: Any) -> None:
    """A token ends with its pod."""
    bound = private.get("pod")
    if bound is None or cluster.lags:
        return
    found = cluster.pods.get(f"/api/v1/namespaces/{private['namespace']}/pods/{bound['name']}")
    if found is None or found.uid != bound["uid"]:
        raise UnknownError("service account token has been invalidated")


def _user(private: Any) -> Any:
    namespace, account = private["namespace"], private["serviceaccount"]
    extra = {"credential-id": ["JTI=10a7ebac-a013-4277-9490-190902320851"]}
    for kind in ("pod", "node"):
        if kind in private:
            extra |= {f"{kind}-name": [private[kind]["name"]], f"{kind}-uid": [private[kind]["uid"]]}
    return {
        "username": f"system:serviceaccount:{namespace}:{account['name']}",
        "uid": account["uid"],
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        "extra": {EXTRA + key: value for key, value in extra.items()},
    }


def access_reviewed(cluster: PlayedCluster, spec: Any) -> Any | None:
    """The status of a SubjectAccessReview; None if the API server would not take it."""
    asked = spec.get("nonResourceAttributes")
    if not spec.get("user") or not asked or "resourceAttributes" in spec:
        return None
    who = {spec["user"], *spec.get("groups", ())}
    for subject, verb, path in cluster.rules:
        if subject in who and verb in (asked["verb"], "*") and _covers(path, asked["path"]):
            return {
                "allowed": True,
                "reason": f'RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b" to "{subject}"',
            }
    return {"allowed": False}


def _covers(rule: str, path: str) -> bool:
    """As NonResourceURLMatches does (pkg/apis/rbac/v1/evaluation_helpers.go)."""
    return rule == path or (rule.endswith("*") and path.startswith(rule[:-1]))

"""What a real API server (1.36) was asked and answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parents[2] / "fixtures/kubernetes/apiserver"
NODE = "knode-1"
"""Name of the node that was recorded."""
FIRST_WATCHED = "watch-pods-from-list.jsonl"
"""The events that followed the recorded list of pods."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def bearer(self) -> str | None:
        """The bearer token, if one was sent."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that is given instead of the usual one."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def recorded(cls, status: int, name: str, **headers: str) -> Reply:
        """One whose body is a recording, without its headers if it has them."""
        body = (RECORDINGS / name).read_bytes()
        return cls(status=status, body=body[body.index(b"{") :], headers=headers)


ANONYMOUS = Reply.recorded(403, "anonymous-pods-403.json")
UNAUTHORIZED = Reply.recorded(401, "bad-token-401.json")
NOT_FOUND = Reply.recorded(404, "notfound-pod.json")
TOO_OLD_TO_LIST = Reply.recorded(410, "list-too-old-410.txt")
TOO_OLD_TO_WATCH = (RECORDINGS / "watch-too-old.txt").read_bytes().split(b"\n\n", 1)[-1].split(b"\r\n\r\n")[-1].strip()


def forbidden(verb: str, resource: str) -> Reply:
    """403 as the API server words it."""
    status = recorded("forbidden-secrets.json")
    status["message"] = status["message"].replace("secrets", resource).replace("cannot list", f"cannot {verb}")
    return Reply(status=403, body=json.dumps(status).encode())


def recorded(name: str) -> Any:
    """A recording of JSON."""
    return json.loads((RECORDINGS / name).read_text())


def recorded_events(name: str = FIRST_WATCHED) -> list[Any]:
    """The events of a recorded watch."""
    return [json.loads(line) for line in (RECORDINGS / name).read_text().splitlines()]

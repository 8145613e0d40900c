"""
Ask the API server, with time limits and by the credentials that there are.

Flow: credentials -> **connection** -> apiserver, owners.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from kinwatch.apiserver.answer import Answer, failure
from kinwatch.apiserver.credentials import HOST, PORT, Credentials, Opened, kubeconfig, service_account
from kinwatch.errors import InputError, PeerError

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts the token and the CA of a pod's service account."""
CONNECT_S: Final = 3.0
READ_S: Final = 10.0
"""How long the API server may be silent within an answer, in seconds."""
REACH_S: Final = 2.0
AGENT: Final = "kinwatch-agent"
"""What we call ourselves, as it stands in the API server's audit log."""
_UNAUTHORIZED: Final = 401
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked, whoever asks."""

    method: str
    path: str
    _: KW_ONLY
    accept: str = _JSON
    query: Mapping[str, str] | None = None
    body: bytes | None = None

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """Those that say what is sent and what is wanted."""
        sent = {} if self.body is None else {"Content-Type": _JSON}
        return {"Accept": self.accept, **sent}


class Connection:
    """The API server, as it may be asked with our credentials; for use by one thread at a time."""

    def __init__(self, credentials: Credentials, *, server: str, user_agent: str = AGENT) -> None:
        self._credentials = credentials
        self._user_agent = user_agent
        self._opened: Opened | None = None
        self.server = server
        """Its address as far as it is known, as `https://10.96.0.1:443`."""

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = _JSON, read_s: float = READ_S
    ) -> Answer:
        """
        Ask for a path; raises PeerError when no answer comes. Its body is not read yet.

        A token may have been replaced since it was read: 401 is asked again once, with the credentials read anew.
        """
        return self._asked_twice(_Request("GET", path, accept=accept, query=query), read_s=read_s)

    def post(self, path: str, document: Any, *, read_s: float = READ_S) -> Answer:
        """
        Send a document as JSON; raises PeerError when no answer comes. The answer's body is not read yet.

        After 401 it is sent once more, as `get` asks once more: the API server did nothing with the first.
        """
        return self._asked_twice(_Request("POST", path, body=json.dumps(document).encode()), read_s=read_s)

    def renew(self) -> None:
        """Read token, CA and kubeconfig anew before the next request; closes the connections that there are."""
        if self._opened is not None:
            self._opened.pool.clear()
        self._opened = None

    def check(self) -> None:
        """Read the credentials now; raises PeerError where they can't be used."""
        self._open()

    def reachable(self) -> bool:
        """Whether something takes connections at its address, whatever its certificate; known within seconds."""
        where = urlsplit(self.server)
        is_https = where.scheme == "https"
        try:
            address = (where.hostname or "", where.port or (443 if is_https else 80))
            with socket.create_connection(address, REACH_S) as plain:
                if is_https:
                    _trusting().wrap_socket(plain, server_hostname=where.hostname).close()
        except (OSError, ValueError):
            return False
        return True

    def _asked_twice(self, request: _Request, *, read_s: float) -> Answer:
        answer = self._ask(request, read_s=read_s)
        if answer.status != _UNAUTHORIZED:
            return answer
        answer.close()
        self.renew()
        return self._ask(request, read_s=read_s)

    def _ask(self, request: _Request, *, read_s: float) -> Answer:
        opened = self._open()
        try:
            response = opened.pool.request(
                request.method,
                opened.server + request.target,
                body=request.body,
                headers={**request.headers, "User-Agent": self._user_agent, **opened.authorization()},
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
                retries=False,  # nor redirects: the token is meant for this server alone
                preload_content=False,
            )
        except HTTPError as error:
            raise failure(error, server=opened.server) from error
        return Answer(response, server=opened.server)

    def _open(self) -> Opened:
        if self._opened is None:
            self._opened = self._credentials.opened()
            self.server = self._opened.server
        return self._opened


def in_cluster(
    environ: Mapping[str, str],
    *,
    token_file: Path = ACCOUNT / "token",
    ca_file: Path = ACCOUNT / "ca.crt",
    user_agent: str = AGENT,
) -> Connection:
    """The API server of the cluster in a pod of which this process runs; PeerError if it runs in none."""
    credentials = service_account(environ, token_file=token_file, ca_file=ca_file)
    credentials.check()
    host, port = environ[HOST], environ[PORT]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Connection(credentials, server=server, user_agent=user_agent)


def by_kubeconfig(file: Path, *, user_agent: str = AGENT) -> Connection:
    """The API server of a kubeconfig's current context; InputError if the file can't be used."""
    connection = Connection(kubeconfig(file), server="", user_agent=user_agent)
    try:
        connection.check()
    except PeerError as error:
        raise InputError(error.problem, remedy=error.remedy) from error
    return connection


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: the question is whether anyone is there
    return context

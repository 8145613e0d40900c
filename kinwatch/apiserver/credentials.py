"""
Read how to reach the API server and who we are to it: from its pod's service account, or from a kubeconfig file.

Flow: **credentials** -> connection. The one module that imports the client `kubernetes`, and only when something is
asked: it costs 0.4 s and 22 MB, which an agent that talks to the kubelet alone never pays.

Of the client its configuration is used, with service accounts, kubeconfigs, their plugins and proxies, and its pool of
TLS connections. Its API classes are not: they make a model of every object, where the JSON is all that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
import yaml

from kinwatch.errors import PeerError

HOST: Final = "KUBERNETES_SERVICE_HOST"
PORT: Final = "KUBERNETES_SERVICE_PORT"
CONNECTIONS: Final = 2
"""Kept open at most: one for the watch, one for owners."""

_BROKEN: Final = (yaml.YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError)
"""What the client raises, beside its ConfigException, on a file that isn't what it ought to be."""
_ACCOUNT: Final = "let the pod have its service account's token: automountServiceAccountToken must not be false"
_KUBECONFIG: Final = "name a whole kubeconfig by --kubeconfig: `kubectl --kubeconfig FILE get --raw /version` tries it"


class Opened:
    """A configuration of the client, as it was read, and connections made with it."""

    def __init__(self, configuration: Any, pool: urllib3.PoolManager, *, credentials: Credentials) -> None:
        self._configuration = configuration
        self._credentials = credentials
        self.server: str = configuration.host
        """As `https://10.96.0.1:443`; may end in a path."""
        self.pool = pool

    def authorization(self) -> dict[str, str]:
        """The header that holds the token, if there is one; a service account's is read anew every minute."""
        with self._credentials.reading():
            settings = self._configuration.auth_settings().values()
            return {setting["key"]: _sendable(setting["value"]) for setting in settings if setting["value"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the API server and the agent's identity are told."""

    told_by: str
    """The files, for messages."""
    remedy: str
    check: Callable[[], None]
    """Raises PeerError if something is missing that can be seen without the client."""
    fill: Callable[[Any], None]
    """Fills in a kubernetes.client.Configuration."""
    proxied: bool
    """Whether the proxies of the environment hold for it."""

    def opened(self) -> Opened:
        """Read it all; raises PeerError where it can't be used. No connection is made yet."""
        self.check()
        from kubernetes.client import Configuration  # noqa: PLC0415 - see above
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415

        configuration = Configuration(host="")  # by default the client would go for http://localhost
        with self.reading():
            self.fill(configuration)
            if not urlsplit(configuration.host).hostname:
                raise ValueError("it names no server")
            if not self.proxied:
                configuration.proxy = None
            configuration.connection_pool_maxsize = CONNECTIONS
            return Opened(configuration, RESTClientObject(configuration).pool_manager, credentials=self)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Word what is wrong with the files."""
        from kubernetes.config import ConfigException  # noqa: PLC0415

        try:
            yield
        except (ConfigException, *_BROKEN) as error:
            raise PeerError(f"reading {self.told_by}: {_worded(error)}", remedy=self.remedy, lasting=True) from error


def service_account(environ: Mapping[str, str], *, token_file: Path, ca_file: Path) -> Credentials:
    """
    Those of the pod that this process runs in.

    An HTTPS_PROXY that is meant for the way out of the cluster must not catch the way to its own API server.
    """

    def check() -> None:
        if not (environ.get(HOST) and environ.get(PORT)):
            raise PeerError(
                f"this process knows no API server: {HOST} and {PORT} are not set, as they are in a pod",
                remedy="run in a pod, or name a kubeconfig file by --kubeconfig",
                lasting=True,
            )
        for file in (token_file, ca_file):
            _check_readable(file, remedy=_ACCOUNT)

    def fill(configuration: Any) -> None:
        from kubernetes.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415

        loader: Any = InClusterConfigLoader  # untyped
        loader(str(token_file), str(ca_file), environ=environ).load_and_set(configuration)

    told_by = f"{token_file} and {ca_file}"
    return Credentials(told_by=told_by, remedy=_ACCOUNT, check=check, fill=fill, proxied=False)


def kubeconfig(file: Path) -> Credentials:
    """Those of the current context of a kubeconfig file; proxies are as for kubectl."""

    def check() -> None:
        _check_readable(file, remedy=_KUBECONFIG)

    def fill(configuration: Any) -> None:
        from kubernetes.config import load_kube_config  # noqa: PLC0415

        load: Any = load_kube_config  # untyped
        load(str(file), client_configuration=configuration, persist_config=False)

    return Credentials(told_by=str(file), remedy=_KUBECONFIG, check=check, fill=fill, proxied=True)


def _check_readable(file: Path, *, remedy: str) -> None:
    try:
        size = len(file.read_bytes())
    except OSError as error:
        raise PeerError(f"reading {file}: {error.strerror}", remedy=remedy, lasting=True) from error
    if size == 0:
        raise PeerError(f"{file} is empty", remedy=remedy, lasting=True)


def _sendable(token: str) -> str:
    """A token as it can stand in a header: without the line's end that editors put after it."""
    if not (token.strip().isascii() and token.strip().isprintable()):
        raise ValueError("the token is no text")
    return token.strip()


def _worded(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip() or type(error).__name__

"""
Check that the aggregator answers, and takes the agent's token.

Flow: settings -> **aggregator** -> report. It is asked twice: GET /readyz, and POST /v1/batches with no batch, which it
refuses for what it is, once it has taken the token.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from agent.doctor.examined import AggregatorAddress
from agent.doctor.finding import Check, Finding
from agent.pods.token import Token, read_token

AGGREGATOR: Final = Check(
    name="aggregator", why="the aggregator compares replicas across nodes; without it none is named"
)
TOKEN: Final = Check(name="aggregator-token", why="the aggregator takes batches from agents only, by their token")
CHECKS: Final = (AGGREGATOR, TOKEN)

CONNECT_S: Final = 3.0
READ_S: Final = 5.0
READY: Final = "/readyz"
BATCHES: Final = "/v1/batches"
_NO_BATCH: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
"""How the aggregator refuses an empty body, after it has looked at the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the aggregator said."""

    url: str
    obstacle: str = ""
    """Why it said nothing; empty if it did."""
    remedy: str = ""
    ready: int = 0
    """Status of /readyz."""
    token: Token | None = None
    """The token that was shown; None: none is configured."""
    batches: int = 0
    """Status of /v1/batches; 0: it was not asked."""


def ask(address: AggregatorAddress) -> Said:
    """Ask both questions."""
    url = address.url.rstrip("/")
    if not url.lower().startswith(("http://", "https://")):
        return Said(url=url, obstacle="it has no scheme that is known", remedy="give https://HOST:PORT")
    token = read_token(address.token_file) if address.token_file else None
    try:
        pool = _pool(address.ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = f"reading the CA {address.ca_file}: {error.strerror or error}"
        return Said(url=url, obstacle=reason, remedy="name a file of PEM certificates as the aggregator's CA")
    try:
        ready = _status(pool, "GET", url + READY)
        shown = token.text if token and _is_https(url) else ""
        batches = _status(pool, "POST", url + BATCHES, token=shown) if shown else 0
    except HTTPError as error:
        return Said(url=url, obstacle=_reason(error), remedy=_remedy(error))
    return Said(url=url, ready=ready, token=token, batches=batches)


def _is_https(url: str) -> bool:
    return url.lower().startswith("https://")


def _pool(ca_file: Path | None) -> urllib3.PoolManager:
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # by default from Python 3.13 on, where it refuses many a CA
    return urllib3.PoolManager(
        ssl_context=context, retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S)
    )


def _status(pool: urllib3.PoolManager, method: str, url: str, *, token: str = "") -> int:
    """Status of an answer; its body is not read."""
    headers = {"User-Agent": "kinwatch-agent", **({"Authorization": f"Bearer {token}"} if token else {})}
    answer = pool.request(method, url, headers=headers, preload_content=False, redirect=False)
    answer.close()
    return answer.status


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it was made from; urllib3 hands that on as arguments."""
    inner = [one for one in (*error.args, error.__cause__) if isinstance(one, BaseException)]
    return [error, *(cause for one in inner for cause in _causes(one))]


def _reason(error: HTTPError) -> str:
    last = _causes(error)[-1]
    if isinstance(last, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {last.verify_message}"
    return (last.strerror if isinstance(last, OSError) else None) or str(last) or type(last).__name__


def _remedy(error: HTTPError) -> str:
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return "name the CA of the aggregator's certificate, which has to carry the name that it is asked by"
    return (
        "see that the aggregator runs (`kubectl get pods,service -n kinwatch`), that the address is its Service's, and "
        "that no NetworkPolicy keeps the node from it"
    )


def judge(said: Said | None) -> Sequence[Finding]:
    """What is to be said of it; None: no aggregator is configured."""
    if said is None:
        return [check.skipped("no aggregator is configured") for check in CHECKS]
    if said.obstacle:
        return (
            AGGREGATOR.failed(f"{said.url} is not reached: {said.obstacle}", remedy=said.remedy),
            TOKEN.skipped(f"not reached: see {AGGREGATOR.name}"),
        )
    return (_ready(said), _token(said))


def _ready(said: Said) -> Finding:
    if said.ready == HTTPStatus.OK and not _is_https(said.url):
        return AGGREGATOR.warning(
            f"{said.url} is ready, and what is sent there can be read and changed on its way",
            remedy="give its https:// address, and its CA",
        )
    if said.ready == HTTPStatus.OK:
        return AGGREGATOR.ok(f"{said.url} is ready")
    if said.ready >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return AGGREGATOR.warning(
            f"{said.url} answers, and is not ready (HTTP {said.ready})",
            remedy="nothing if it has just been started; else see its log",
        )
    return AGGREGATOR.failed(
        f"{said.url}{READY} answers HTTP {said.ready}, so this is no aggregator",
        remedy="see that the address is the aggregator's, without a path",
    )


def _token(said: Said) -> Finding:
    if said.token is None:
        return TOKEN.skipped("no token is configured for the aggregator")
    if not _is_https(said.url):
        return TOKEN.skipped("the doctor shows no token to an address that is not https")
    if not said.token.text:
        return TOKEN.failed(said.token.absence, remedy="name the file of the agent's token for the aggregator")
    return _taken(said, said.token.file)


def _taken(said: Said, file: Path) -> Finding:
    if said.batches in _NO_BATCH:
        return TOKEN.ok(f"the aggregator takes the token in {file}")
    if said.batches == HTTPStatus.UNAUTHORIZED:
        return TOKEN.failed(
            f"the aggregator does not know the token in {file} (HTTP 401)",
            remedy="give agent and aggregator the same Secret; a projected token needs the audience that the "
            "aggregator asks for",
        )
    if said.batches == HTTPStatus.FORBIDDEN:
        return TOKEN.failed(
            f"the aggregator knows the token in {file}, and takes no batches by it (HTTP 403)",
            remedy="give the agent the token of its own ServiceAccount, by which the aggregator knows agents",
        )
    return TOKEN.warning(
        f"{said.url}{BATCHES} answers an empty batch by HTTP {said.batches}",
        remedy="see that agent and aggregator are of the same version, and the aggregator's log",
    )

"""
Ask who somebody is, off the event loop.

Flow: app -> **access** -> auth. To know an agent may take a question to the API server; threads wait for that, and so
many of them that one that hangs holds up nobody whose answer is remembered.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog
from fastapi import Request

from aggregator.auth.refusals import Refusals
from aggregator.auth.refused import AuthError
from aggregator.auth.values import Agents, Credential, Principal, Readers, bearer
from aggregator.serve.connection import CERTIFICATE
from aggregator.serve.refused import Refused, not_let_in

THREADS: Final = 16


class Access:
    """Who may send, and who may read."""

    def __init__(self, agents: Agents, readers: Readers) -> None:
        self._agents, self._readers = agents, readers
        self._refusals = Refusals(structlog.get_logger())
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="auth")

    async def sender(self, request: Request) -> Principal:
        """Who sends; raises Refused."""
        return await self._ask(request, partial(self._agents.authenticate, _credential(request)))

    async def reader(self, request: Request) -> Principal:
        """Who reads; raises Refused if they may not read this path."""
        path = request.url.path
        question = partial(self._readers.authorise, _credential(request), verb="get", path=path)
        return await self._ask(request, question)

    def refused(self, request: Request, error: AuthError) -> Refused:
        """What to answer to somebody who is not let in; the log hears of it, but not of each."""
        self._refusals.add(error, peer=request.client.host if request.client else None)
        return not_let_in(error)

    def stop(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, request: Request, question: partial[Principal]) -> Principal:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question)
        except AuthError as error:
            raise self.refused(request, error) from error


def _credential(request: Request) -> Credential:
    return Credential(
        token=bearer(request.headers.get("authorization")), certificate=getattr(request.state, CERTIFICATE, None)
    )

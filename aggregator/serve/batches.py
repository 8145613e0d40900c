"""
The way of one batch: who sends it, its body, the store, the answer.

Flow: app -> **batches**: access -> body -> intake -> answer. Nothing of a body is read before it is known who sends it.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from aggregator.auth.refused import AuthError
from aggregator.auth.values import Principal
from aggregator.serve.access import Access
from aggregator.serve.body import MEDIA_TYPE, Bodies, Room
from aggregator.serve.intake import Arrival, Behind, Intake
from aggregator.serve.ledger import utc_now
from aggregator.serve.metrics import Metrics
from aggregator.serve.refused import Refused, behind
from aggregator.store.values import Outcome

PATH: Final = "/v1/batches"
_STATUS: Final = {Outcome.STORED: HTTPStatus.CREATED, Outcome.DUPLICATE: HTTPStatus.OK}
_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One batch, as docs/wire.md has it.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "It was stored before, byte for byte."},
    201: {"description": "It is stored."},
    400: {"description": "The body is no batch."},
    401: {"description": "It is not known who sends."},
    403: {"description": "Who sends may not speak for this node, or may not send at all."},
    408: {"description": "The body came too slowly."},
    409: {"description": "Another batch is stored under this node, boot and sequence, and stays."},
    413: {"description": "The body, or something in it, is larger than is taken."},
    415: {"description": "The body is of another media type."},
    422: {"description": "The body says something that no batch may."},
    429: {"description": "More comes in than is stored; try again after Retry-After."},
    503: {"description": "It can't be stored now; try again after Retry-After."},
    507: {"description": "There is no room to store it; try again after Retry-After."},
}
_GONE: Final = 499
"""Nobody hears this answer."""


class Batches:
    """Takes batches."""

    def __init__(self, access: Access, bodies: Bodies, intake: Intake, metrics: Metrics) -> None:
        self.bodies = bodies
        self._access, self._intake, self._metrics = access, intake, metrics
        self.room = Room()

    def router(self) -> APIRouter:
        """The path."""
        router = APIRouter()
        router.add_api_route(
            PATH,
            self.post,
            methods=["POST"],
            status_code=HTTPStatus.CREATED,
            response_class=JSONResponse,
            responses=_ANSWERS,
            openapi_extra=_OPENAPI,
            summary="Store a batch, once",
        )
        return router

    async def post(self, request: Request) -> Response:
        """Store a batch; the answer comes when it is stored."""
        since_s = time.monotonic()
        sender = await self._access.sender(request)
        try:
            with self.room.part() as part:
                body = await self.bodies.read(request, part)
                outcome = await self._stored(request, body, sender)
        except ClientDisconnect:
            self._metrics.gone.inc()
            return Response(status_code=_GONE)
        self._metrics.answered(outcome, body_bytes=len(body), took_s=time.monotonic() - since_s)
        if outcome is Outcome.CONFLICT:
            raise Refused(
                HTTPStatus.CONFLICT,
                "conflict",
                "another batch is stored under this node, boot and sequence, and stays",
                remedy="drop this one, and see that one agent runs on this node, and that a spool which was lost or "
                "restored begins with a new boot id",
            )
        return JSONResponse({"outcome": outcome.value}, status_code=_STATUS[outcome])

    async def _stored(self, request: Request, body: bytes, sender: Principal) -> Outcome:
        """What became of it, once it is stored; raises Refused if it is not."""
        arrival = Arrival(body=body, received_at=utc_now(), principal=sender)
        try:
            self._intake.take(arrival)
            return await asyncio.wrap_future(arrival.answer)
        except Behind as error:
            problem = f"{self._intake.waiting} batches wait to be stored, as many as may"
            raise behind(problem, error.wait_s) from error
        except AuthError as error:
            raise self._access.refused(request, error) from error

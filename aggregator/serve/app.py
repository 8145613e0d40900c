"""
The paths of the server, and what is said to whoever asks for something else.

Flow: server -> **app** -> batches, reading, health. docs/api.md has each path for people, and
/openapi.json for programs.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Final

import prometheus_client
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from aggregator.serve.access import Access
from aggregator.serve.batches import Batches
from aggregator.serve.health import Health
from aggregator.serve.metrics import Metrics
from aggregator.serve.reading import Reading, reading_router
from aggregator.serve.refused import Refused

PATHS: Final = "POST /v1/batches; GET /v1/nodes, /healthz, /readyz, /metrics, /openapi.json"


def app_of(
    *,
    batches: Batches,
    store: Reading,
    access: Access,
    health: Health,
    metrics: Metrics,
    version: str,
    is_metrics_open: bool,
) -> FastAPI:
    """The app, of its parts."""
    app = FastAPI(title="Kinwatch aggregator", version=version, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(batches.router())
    app.include_router(reading_router(store, access))
    app.include_router(_state_router(health, metrics, None if is_metrics_open else access))
    _tell_refusals(app, metrics)
    return app


def _state_router(health: Health, metrics: Metrics, access: Access | None) -> APIRouter:
    """How the server is; without a token, but for the metrics if `access` is to be asked."""
    router = APIRouter(default_response_class=PlainTextResponse)

    @router.get("/healthz", summary="Whether the server lives")
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @router.get("/readyz", summary="Whether the server stores batches, or why not", responses={503: {}})
    async def readyz(request: Request) -> Response:
        hindrances = health.hindrances()
        status = HTTPStatus.SERVICE_UNAVAILABLE if hindrances else HTTPStatus.OK
        if request.query_params.get("format") == "json":
            said = {"ready": not hindrances, "reasons": list(map(asdict, hindrances))}
            return JSONResponse(said, status_code=status)
        lines = list(map(str, hindrances)) or ["ready"]
        return PlainTextResponse("".join(f"{line}\n" for line in lines), status_code=status)

    @router.get("/metrics", summary="Numbers for Prometheus")
    async def show_metrics(request: Request) -> Response:
        if access is not None:
            await access.reader(request)
        return Response(metrics.exposition(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return router


def _tell_refusals(app: FastAPI, metrics: Metrics) -> None:
    """Have all that is refused told alike, and counted."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        metrics.refused(error.reason)
        return error.answer()

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        reason = phrase.lower().replace(" ", "_")
        answer = await refused(request, Refused(error.status_code, reason, phrase, remedy=f"there is {PATHS}"))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, _error: RequestValidationError) -> JSONResponse:
        problem = "the request has a parameter that can't be read"
        return await refused(request, Refused(422, "parameter", problem, remedy="see /openapi.json"))

"""
Read the body of a request, as long as it may be one of a batch and there is room for it.

Flow: batches -> **body** -> intake. Bounded in bytes for each and for all, and in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from fastapi import Request

from aggregator.serve.refused import LEAST_RETRY_S, Refused, behind, no_batch, stopping
from kinwatch.wire import LIMITS, Inflating, Limits, Refusal, WireError
from kinwatch.wire.frame import HEADER_BYTES

MEDIA_TYPE: Final = "application/vnd.kinwatch.batch"
BODY_S: Final = 10.0
"""How long a sender may take for a whole body: 4 MiB at 3.4 Mbit/s."""
STOPPING_S: Final = 1.0
"""How long it may still take once the aggregator stops."""
ROOM_BYTES: Final = 64 << 20
"""Of all bodies together that are being read, or wait to be stored: 4,000 usual ones, or 16 of the longest."""


class Room:
    """The memory that bodies may take together. For one event loop."""

    def __init__(self, most_bytes: int = ROOM_BYTES) -> None:
        self._most_bytes = most_bytes
        self.used_bytes = 0

    @contextmanager
    def part(self) -> Iterator[Part]:
        """A part for one body, given back at the end."""
        part = Part(self)
        try:
            yield part
        finally:
            self.used_bytes -= part.used_bytes

    def take(self, count: int) -> None:
        """Take some; raises Refused if there is not so much left."""
        if self.used_bytes + count > self._most_bytes:
            raise behind(f"all bodies together may take {self._most_bytes >> 20} MiB, and do", LEAST_RETRY_S)
        self.used_bytes += count


class Part:
    """What one body takes of a Room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Take more of it; raises Refused if there is not so much left."""
        self._room.take(count)
        self.used_bytes += count


class Bodies:
    """Reads bodies, until it is told that the aggregator stops."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._reading: set[asyncio.Timeout] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """Take no more, and end soon with those that are being read."""
        self._is_stopping = True
        soon_s = asyncio.get_running_loop().time() + STOPPING_S
        for timeout in self._reading:
            if (when_s := timeout.when()) is None or when_s > soon_s:
                timeout.reschedule(soon_s)

    async def read(self, request: Request, part: Part) -> bytes:
        """The body; raises Refused if it is not to be had, and ClientDisconnect if who sends it goes away."""
        if self._is_stopping:
            raise stopping()
        self._check_headers(request)
        try:
            async with asyncio.timeout(BODY_S) as timeout:
                self._reading.add(timeout)
                try:
                    return await self._read(request, part)
                finally:
                    self._reading.discard(timeout)
        except TimeoutError:
            raise stopping() if self._is_stopping else self._too_slow() from None

    def _check_headers(self, request: Request) -> None:
        """Refuse what needn't be read at all."""
        declared = request.headers.get("content-length")  # h11 has seen that it is one number, and so long a body
        if declared is not None and int(declared) > self._limits.compressed_bytes:
            raise self._too_long()
        media_type = request.headers.get("content-type", "")
        if declared != "0" and media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "the body has another Content-Type than a batch, or none",
                remedy=f"send Content-Type: {MEDIA_TYPE}",
            )
        if encoding := request.headers.get("content-encoding"):
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "content_encoding",
                f"the body has a Content-Encoding, {encoding[:40]!r}",
                remedy="send none: a batch is compressed as it is",
            )

    async def _read(self, request: Request, part: Part) -> bytes:
        body = bytearray()
        is_frame = False
        async for chunk in request.stream():
            if len(body) + len(chunk) > self._limits.compressed_bytes:
                raise self._too_long()
            part.take(len(chunk))
            body += chunk
            if not is_frame and len(body) >= HEADER_BYTES:
                self._check_frame(bytes(body[:HEADER_BYTES]))
                is_frame = True
        return bytes(body)

    def _check_frame(self, header: bytes) -> None:
        """Refuse by its first bytes what can't become a batch."""
        try:
            Inflating(self._limits).feed(header)
        except WireError as error:
            raise no_batch(error) from error

    def _too_long(self) -> Refused:
        most = self._limits.compressed_bytes
        return no_batch(WireError(Refusal.COMPRESSED_SIZE, f"more than {most:,} bytes"))

    def _too_slow(self) -> Refused:
        return Refused(
            HTTPStatus.REQUEST_TIMEOUT,
            "slow",
            f"the body was not there after {BODY_S:g} s",
            remedy="see what is slow between agent and aggregator, and try again",
        )

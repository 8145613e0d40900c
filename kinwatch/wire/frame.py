"""
One zstd frame around a payload, and out of it again at a bounded cost.

Flow: agent naming -> batch -> **wire** -> aggregator ingest; the outermost layer of the bytes, and the one module that
knows zstandard.
"""

from __future__ import annotations

from typing import Final

import zstandard

from kinwatch.wire.limits import LIMITS, Limits
from kinwatch.wire.refusal import Refusal, WireError

LEVEL: Final = 9
"""See docs/wire.md for what other levels take and give."""
MAGIC: Final = zstandard.FRAME_HEADER
HEADER_BYTES: Final = 18
"""The longest header of a frame, magic number included (RFC 8878, 3.1.1)."""


def deflated(payload: bytes) -> bytes:
    """The payload as one frame that says its size and carries a checksum."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    return compressor.compress(payload)


class Inflating:
    """
    A payload whose frame comes in chunks.

    Chunks are kept compressed until all are there: a client that sends slowly holds no more than it has sent. Raises
    WireError as soon as a limit is passed, which is known from the header before anything is decompressed.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._received = bytearray()
        self._is_header_read = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; WireError once what came so far can't become a payload."""
        if len(self._received) + len(chunk) > self._limits.compressed_bytes:
            raise WireError(
                Refusal.COMPRESSED_SIZE,
                f"more than {self._limits.compressed_bytes:,} bytes; send fewer replicas a batch",
            )
        self._received += chunk
        if not self._is_header_read and len(self._received) >= HEADER_BYTES:
            self._read_header()

    def finish(self) -> bytes:
        """The payload, now that all bytes are there; WireError if they are not one whole frame."""
        if not self._is_header_read:
            self._read_header()
        decompressor = zstandard.ZstdDecompressor(max_window_size=self._limits.window_bytes)
        try:
            return decompressor.decompress(self._received, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise WireError(Refusal.FRAME, f"not one whole zstd frame: {error}") from error

    def _read_header(self) -> None:
        if not self._received.startswith(MAGIC):
            raise WireError(Refusal.FRAME, "not a zstd frame: it does not begin with 28 b5 2f fd")
        try:
            header = zstandard.get_frame_parameters(bytes(self._received[:HEADER_BYTES]))
        except zstandard.ZstdError as error:
            raise WireError(Refusal.FRAME, f"the header of the zstd frame: {error}") from error
        self._check(header)
        self._is_header_read = True

    def _check(self, header: zstandard.FrameParameters) -> None:
        limits = self._limits
        if header.content_size == zstandard.CONTENTSIZE_UNKNOWN:
            raise WireError(Refusal.FRAME, "the zstd frame does not say its size")
        if header.content_size > limits.decompressed_bytes:
            raise WireError(
                Refusal.DECOMPRESSED_SIZE,
                f"{header.content_size:,} bytes when decompressed, of {limits.decompressed_bytes:,} that are taken",
            )
        if header.window_size > max(limits.window_bytes, header.content_size):
            raise WireError(Refusal.FRAME, f"zstd window of {header.window_size:,} bytes")
        if header.dict_id:
            raise WireError(Refusal.FRAME, f"compressed with a dictionary, {header.dict_id}; none is known here")
        if not header.has_checksum:
            raise WireError(Refusal.FRAME, "the zstd frame has no checksum")


def inflated(body: bytes, limits: Limits = LIMITS) -> bytes:
    """The payload of one frame that is there as a whole; WireError if it is none."""
    inflating = Inflating(limits)
    inflating.feed(body)
    return inflating.finish()

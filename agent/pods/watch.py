"""
Gather the lines of a watch into batches, and never wait longer than asked for the next one.

Flow: answer -> **watch** -> apiserver. A thread reads, since a read that timed out can't be taken up again.

kubernetes.watch.Watch is not used: to give raw objects it needs deserialize=False, and then dies of a KeyError at an
ERROR event, 410 among them (client 37.0); otherwise it drops lines that are no JSON without a word. And it can't wait
for a limited time, so that neither events could be gathered nor an end of the agent be seen while the stream is quiet.
"""

from __future__ import annotations

import queue
import threading
from types import TracebackType
from typing import Final, Self

from kinwatch.apiserver.answer import Answer
from kinwatch.errors import PeerError

TOGETHER_S: Final = 0.1
"""Events that follow each other within this time come in one batch: the start of a pod makes half a dozen."""
BATCH_MAX: Final = 64
"""Lines in a batch at most, so that a steady stream of events is told of, too."""
WAITING_MAX: Final = 128
"""Lines that may wait here, of some 10 kB each. When it is full the API server has to wait; if it doesn't, it ends the
watch, and the next one begins where this one was read to: nothing is lost."""
_JOIN_S: Final = 5.0


class Watch:
    """A watch that is running: its lines in batches."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self._failure: PeerError | None = None
        self._reader = threading.Thread(target=self._read, name="watch", daemon=True)
        self._ended = False

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the watch if it isn't over, and its thread."""
        self._answer.end()
        while self._next(_JOIN_S) is not None:
            """Make room for what it is about to put."""
        self._reader.join(_JOIN_S)
        self._answer.close()

    @property
    def over(self) -> bool:
        """Whether all lines were taken and the API server has ended the watch as it ought to."""
        return self._ended and self._failure is None

    def batch(self, wait_s: float) -> list[bytes]:
        """Lines that came together; none if none came in time. Raises PeerError when the stream has broken off."""
        lines: list[bytes] = []
        line = self._next(wait_s)
        while line is not None:
            lines.append(line)
            line = self._next(TOGETHER_S) if len(lines) < BATCH_MAX else None
        if self._failure is not None and self._ended and not lines:
            raise self._failure
        return lines

    def _next(self, wait_s: float) -> bytes | None:
        if self._ended:
            return None
        try:
            line = self._waiting.get(timeout=wait_s)
        except queue.Empty:
            return None
        self._ended = line is None
        return line

    def _read(self) -> None:
        try:
            for line in self._answer.lines():
                self._waiting.put(line)
        except PeerError as error:
            self._failure = error
        self._waiting.put(None)

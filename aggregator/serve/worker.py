"""
Run something in a thread, and let its bugs be heard.

Flow: beside it. What a thread ends with ends the aggregator, and is raised again in the main thread, whose guard shows
it: a server that takes batches and stores none is worse than none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """A thread. It is a daemon: who stops it joins it for as long as there is time."""

    def __init__(self, work: Callable[[], None], *, name: str, on_death: Callable[[], None]) -> None:
        self._work, self._on_death = work, on_death
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, but not for longer."""
        self._thread.join(timeout_s)

    def check(self) -> None:
        """Raise what it has ended with, if it has."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, whose guard shows it
            self._error = error
            self._on_death()

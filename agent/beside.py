"""
Run something in a thread beside the capture, and let its bugs be heard.

Flow: identity -> **beside**. What it raises is raised again where it is asked for: no thread dies in silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Beside:
    """A thread. It is a daemon: in the middle of a request when the agent ends, it has nothing to lose."""

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def check(self) -> None:
        """Raise what it has ended with, if it has."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, whose guard shows it
            self._error = error

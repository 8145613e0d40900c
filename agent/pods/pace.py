"""
When to ask the kubelet again.

Flow: name -> **pace** -> kubelet.
"""

from __future__ import annotations

import threading
from typing import Final

STEADY_S: Final = 10.0
"""Between two requests when nothing is awaited, in seconds: a pod that went keeps its name for longer than that."""
HURRIED_S: Final = 1.0
"""Between two requests while a container awaits its name. The kubelet lists a new one within about a second."""


class Pace:
    """The time between two requests: long in steady state, short while a container awaits its name."""

    def __init__(self, *, steady_s: float = STEADY_S, hurried_s: float = HURRIED_S) -> None:
        self._steady_s = steady_s
        self._hurried_s = hurried_s
        self._awaited = threading.Event()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it is over: whoever waits is to end."""
        return self._stopped.is_set()

    def wait(self) -> None:
        """Block until it is time for the next request, or over."""
        self.rest(self._hurried_s)
        self._awaited.wait(max(0.0, self._steady_s - self._hurried_s))
        self._awaited.clear()
        if self.stopped:
            self._awaited.set()  # for good, even if it was over just before the line above

    def rest(self, seconds: float) -> None:
        """Block for so long, hurry or not, or until it is over."""
        self._stopped.wait(seconds)

    def hurry(self) -> None:
        """Something awaits its name: ask soon. Called from another thread."""
        self._awaited.set()

    def stop(self) -> None:
        """It is over. Called from another thread."""
        self._stopped.set()
        self._awaited.set()

"""
Keep answers for as long as they hold, and no more of them than fit.

Flow: remembered -> **answers**. Pure: the time is an argument, by a clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Answers(Generic[T]):
    """Answers by their questions; when full, the one that was made longest ago goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Hashable, *, now_s: float) -> T | None:
        """The answer that still holds, or None."""
        answer, until_s = self._kept.get(question, (None, now_s))
        if until_s > now_s:
            return answer
        self._kept.pop(question, None)
        return None

    def put(self, question: Hashable, answer: T, *, until_s: float, now_s: float) -> int:
        """Keep an answer; gives how many had to go for it before their time, 0 or 1."""
        self._kept[question] = (answer, until_s)
        self._kept.move_to_end(question)
        if len(self._kept) <= self._most:
            return 0
        _, (_, gone_until_s) = self._kept.popitem(last=False)
        return int(gone_until_s > now_s)

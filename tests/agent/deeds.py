"""
Deeds: what a test has a process do, for an agent to see.

A test's deed is a program (see worker.py) that runs in a cgroup of its own, made while the agent runs. All deeds of a
module are done under one agent; each test then looks at what was seen of its own, by the fixture `seen`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

Test = Callable[..., None]
DEEDS: defaultdict[str, dict[str, str]] = defaultdict(dict)
"""Module → test → program."""


def does(program: str) -> Callable[[Test], Test]:
    """Say which program a test's cgroup runs; it finds its own empty folder in `folder`, as current one too."""

    def mark(test: Test) -> Test:
        DEEDS[test.__module__][test.__name__] = program
        return test

    return mark

"""
Find the files to read in what was named on the command line.

Flow: main -> **sources** -> read. A folder stands for its capture files, at any depth, in sorted order.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aggregator.verdict import Problem

STANDARD_INPUT = "-"
SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A source that was named more than once; it is read once."""

    source: str


Found = str | Problem | Repeated


def find(names: Iterable[str]) -> Iterator[Found]:
    """The sources to read, each once, and what stands in the way of others."""
    seen: set[str] = set()
    for name in names:
        for found in _expand(name):
            if not isinstance(found, str):
                yield found
            elif (identity := _identity(found)) in seen:
                yield Repeated(source=found)
            else:
                seen.add(identity)
                yield found


def _identity(source: str) -> str:
    return source if source == STANDARD_INPUT else os.path.realpath(source)


def _expand(name: str) -> Iterator[str | Problem]:
    if name == STANDARD_INPUT or not _is(stat.S_ISDIR, name):
        yield name
        return
    unreadable: list[OSError] = []
    files = _files_below(name, unreadable)
    yield from files
    yield from (_unreadable_folder(error, name) for error in unreadable)
    if not files and not unreadable:
        yield Problem(
            source=name,
            problem=f"the folder holds no file that ends in {', '.join(SUFFIXES)}",
            remedy="name a folder of captures, or the files themselves, whatever they are called",
        )


def _is(kind: Callable[[int], bool], path: str) -> bool | None:
    """Whether a path is of a kind; None if that can't be seen: then opening it will tell why."""
    try:
        return kind(Path(path).stat().st_mode)
    except OSError:
        return None


def _files_below(folder: str, unreadable: list[OSError]) -> list[str]:
    return sorted(
        path
        for parent, _, files in os.walk(folder, onerror=unreadable.append)
        for file in files
        if file.endswith(SUFFIXES) and _is(stat.S_ISREG, path := str(Path(parent, file))) is not False
    )


def _unreadable_folder(error: OSError, folder: str) -> Problem:
    return Problem(
        source=str(error.filename or folder),
        problem=f"listing the folder: {error.strerror}",
        remedy="give the user who runs this read and search permission on it",
    )

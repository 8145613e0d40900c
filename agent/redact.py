"""
Replace secrets in command lines and names before anything leaves the process.

Flow: drain -> **redact** -> window. Takes strings, gives strings; docs/secrets.md says what is found and what is not.

A secret becomes its kind and 8 hexadecimal digits of a keyed hash: equal secrets stay equal among the replicas of an
installation, so that they still compare, and different ones differ, but for one pair in 2^32.
"""

from __future__ import annotations

import hmac
import re
import secrets
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from agent.secret_names import Span, may_name
from agent.secret_patterns import CLOSE, OPEN, PEM_HINT, REPLACEMENT
from agent.secret_text import by_address, by_label, by_looks, private_keys, shapes_in
from agent.secret_words import by_word
from kinwatch.errors import InputError

KEY_BYTES_MIN: Final = 16
"""Shortest key: 128 bits, which nobody tries out."""

KEY_BYTES_MAX: Final = 4096
"""What is read of a key file; more is no key but the wrong file."""

HASH_BYTES: Final = 4
"""32 bits tell the secrets of one installation apart, and are too few to confirm a guess by."""

PASSES_MAX: Final = 4
"""Times an argument list is searched: what a replaced secret hid from view is found by the next pass."""

_MARKS: Final = re.compile(r"[=:\s]")
"""A text without any of these holds no name and value, no address and no script; most names of files have none."""


def key_from(path: Path | None) -> bytes:
    """The installation's key in a file, or one for this run if there is no file; InputError if it can't be used."""
    if path is None:
        return secrets.token_bytes(32)
    remedy = f"write one with `head -c 32 /dev/urandom > {path}`, the same for every node, readable by the agent alone"
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"reading the key {path}: {error.strerror or error}", remedy=remedy) from error
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        size = f"{len(key)} bytes" if len(key) <= KEY_BYTES_MAX else f"more than {KEY_BYTES_MAX} bytes"
        wanted = f"wants {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"
        raise InputError(f"the key {path} has {size}, and {wanted}", remedy=remedy)
    return key


class Redactor:
    """Replaces secrets by `kind:hash` in angle quotes, with the key of one installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def arguments(self, argv: Sequence[str]) -> list[str]:
        """One process's argument list, argv[0] first, its secrets replaced."""
        arguments = list(argv)
        for _ in range(PASSES_MAX):
            found = _found(arguments)
            if not found or not any(found):
                break
            arguments = [self._replaced(*one) for one in zip(arguments, found, strict=True)]
        return arguments

    def text(self, value: str) -> str:
        """One string that is no argument list: a file's name, a working directory."""
        if not _MARKS.search(value) and not shapes_in(value):
            return value
        return self.arguments([value])[0]

    def _replaced(self, text: str, spans: Sequence[Span]) -> str:
        parts, at = [], 0
        for start, end, kind in spans:
            parts += [text[at:start], OPEN, kind, ":", self._hash(text[start:end]), CLOSE]
            at = end
        return "".join([*parts, text[at:]])

    def _hash(self, secret: str) -> str:
        return hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), "sha256")[:HASH_BYTES].hex()


def _found(arguments: Sequence[str]) -> list[list[Span]] | None:
    """The secrets in each argument, in order, none overlapping another or a replacement; None if there are none."""
    found: defaultdict[int, list[Span]] = defaultdict(list)
    whole = "\n".join(arguments)
    searches: list[Callable[[str], Iterable[Span]]] = []
    if shapes := shapes_in(whole):
        searches.append(partial(by_looks, shapes=shapes))
    if PEM_HINT in whole:
        searches.append(private_keys)
    if "://" in whole and "@" in whole:
        searches.append(by_address)
    if may_name(whole):
        searches.append(by_label)
    for search in searches:
        for index, argument in enumerate(arguments):
            found[index].extend(search(argument))
    for index, span in by_word(arguments):
        found[index].append(span)
    if not any(found.values()):
        return None
    return [_merged(_new(argument, found[index])) for index, argument in enumerate(arguments)]


def _new(text: str, spans: Sequence[Span]) -> Sequence[Span]:
    """The spans that touch nothing which was replaced before."""
    if not spans or OPEN not in text:
        return spans
    done = [match.span() for match in REPLACEMENT.finditer(text)]
    ends = [end for _, end in done]
    following = [(span, bisect_right(ends, span.start)) for span in spans]
    return [span for span, index in following if index == len(done) or span.end <= done[index][0]]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap as one, of the kind of that which begins first; of those that begin alike, the longest."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged

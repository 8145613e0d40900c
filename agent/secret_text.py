"""
Find secrets in a text by their looks, by the address they stand in, by the name before them.

Flow: beside drain, for redact. Gives spans of the text, which may overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from agent.secret_names import Named, Span, is_secret, may_name, named, span_of
from agent.secret_patterns import (
    AUTHORITY,
    LOOSE_PASSWORD,
    PEM_BEGIN,
    PEM_END,
    PRIVATE_KEY,
    SHAPES,
    TOKEN_AS_USER,
    Shape,
)

_HINTED: Final = tuple((hint, shape) for shape in SHAPES for hint in shape.hints)
"""In a flat list, since every argument list is looked through for all of them."""

_PASSWORD: Final = Named("password")
_TOKEN: Final = Named("token")


def shapes_in(text: str) -> list[Shape]:
    """The forms that a text holds something of."""
    hinted = dict.fromkeys([shape for hint, shape in _HINTED if hint in text])
    return [shape for shape in hinted if shape.pattern.search(text)]


def by_looks(text: str, shapes: Sequence[Shape]) -> Iterator[Span]:
    """Secrets that are known by their form."""
    for shape in shapes:
        group = "secret" if "secret" in shape.pattern.groupindex else 0
        for match in shape.pattern.finditer(text):
            start, end = match.span(group)
            if is_secret(text[start:end], _TOKEN):
                yield Span(start, end, shape.kind)


def private_keys(text: str) -> Iterator[Span]:
    """PEM blocks, the last of which may have been cut off with the argument list."""
    at = 0
    while begin := PEM_BEGIN.search(text, at):
        end = PEM_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield Span(begin.start(), at, PRIVATE_KEY)


def by_address(text: str) -> Iterator[Span]:
    """Passwords and tokens before the @ of an address: `scheme://user:SECRET@host`."""
    for match in AUTHORITY.finditer(text):
        start = match.start("authority")
        user, at, host = match["authority"].rpartition("@")
        if host.startswith("sha256:"):  # docker://alpine:3.19@sha256:…
            continue
        if not at:
            loose = LOOSE_PASSWORD.match(text, match.start())
            span = loose and span_of(text, *loose.span("secret"), _PASSWORD)
        elif ":" in user:
            span = span_of(text, start + user.index(":") + 1, start + len(user), _PASSWORD)
        else:
            span = Span(start, start + len(user), "token") if TOKEN_AS_USER.fullmatch(user) else None
        if span:
            yield span


# --- names ----------------------------------------------------------------------------------------------------------

_LABEL: Final = re.compile(
    r"""(?<![\w.-])(?:(?<=\\)[nrt])?(?P<name>[\w.-]++)(?P<close>\\?["']|\])?"""
    r"""(?P<before>[ \t]{0,2}+)(?P<sign>[=:])=?+(?P<gap>[ \t]{0,2}+)"""
)
_QUOTED: Final = re.compile(
    r"""\\"(?P<a>[^"\\]*+)|\\'(?P<b>[^'\\]*+)|"(?P<c>[^"\\]*+(?:\\.[^"\\]*+)*)|'(?P<d>[^']*+)""",
    re.DOTALL,
)
_HEADERS: Final = ("x-", "authorization", "proxy-authorization", "cookie", "private-token", "api-key")
"""How header names begin that are told without a quote, a line's start or an option before them."""

_BEFORE_HEADER: Final = ("-H ", "-H", "-header ", "-header=")
INDENT_MAX: Final = 32
"""Characters before a name in which the line's beginning is looked for."""

_LINE_BEGINS: Final = re.compile(r"(?:\A|\n|\\)[ \t-]*+\Z")
_LINE_END: Final = re.compile(r"[^\r\n\\]*+(?:\\(?![rn])[^\r\n\\]*+)*")
_ONE_WORD: Final = re.compile(r"(?:[A-Za-z-]++[ \t]++)?[^\s\"']*+")
_QUERY_END: Final = re.compile(r"[^&#\s\"'<>]*+")
_NEXT_NAME: Final = re.compile(r"(?:[;,&]|\s)\s?+[A-Za-z_][\w.\[\]-]{0,60}+(?:[ ]\w{1,20}+)?=")


def by_label(text: str) -> Iterator[Span]:
    """Secrets whose end is marked: `"password": "…"`, `password = '…'`, headers, and lines of YAML."""
    if not may_name(text):
        return
    done = 0
    for label in _LABEL.finditer(text):
        if label.end() <= done:
            continue
        of = named(label["name"].removeprefix("-H"))
        if of and (value := _marked(text, label)) and (span := span_of(text, *value, of)):
            done = span.end
            yield span


def _marked(text: str, label: re.Match[str]) -> tuple[int, int] | None:
    """Where the value behind a label is, if something marks its end."""
    before = text[label.start() - 1 : label.start()]
    if quoted := _QUOTED.match(text, label.end()):
        only_closes = before == text[label.end()] and not label["close"]  # echo "password: "
        return None if only_closes else quoted.span(str(quoted.lastgroup))
    if label["sign"] != ":" or label["close"]:
        return None
    return _line(text, label, before)


def _line(text: str, label: re.Match[str], before: str) -> tuple[int, int] | None:
    """The value of a header, to the end of its line or quotes, or of a line of YAML."""
    start = label.end()
    is_header = label["name"].removeprefix("-H").lower().startswith(_HEADERS)
    if before and before in "\"'":
        end = text.find(before, start)
        is_header = is_header or text.endswith(_BEFORE_HEADER, 0, label.start() - 1)
        return (start, end if end >= 0 else len(text)) if is_header else None
    if before == "=" or _LINE_BEGINS.search(text, max(0, label.start() - INDENT_MAX), label.start()):
        return (start, _end_of(_LINE_END, text, start)) if is_header or label["gap"] else None
    return (start, _end_of(_ONE_WORD, text, start)) if is_header else None


def by_assignment(word: str) -> Iterator[Span]:
    """Secrets of a word that is one in the shell's sense too: `--password=…`, `X_TOKEN=…`, `a=b;Password=…;c=d`."""
    done = 0
    for label in _LABEL.finditer(word):
        start = label.end("sign")
        if start <= done or label["sign"] == ":" or label["close"] not in {None, "]"} or label["before"]:
            continue
        if _is_quoted(word, start):  # by_label knows where that ends
            continue
        of = named(label["name"])
        if of and (span := span_of(word, start, _end_of_value(word, label.start(), start), of)):
            done = span.end
            yield span


def _is_quoted(word: str, start: int) -> bool:
    """Whether a value stands in quotes; in an option it is part of the password if it stands only at one end."""
    quote = word[start : start + 1]
    return bool(quote) and quote in "\"'" and (not word.startswith("-") or word.endswith(quote, start + 1))


def _end_of_value(word: str, name_at: int, start: int) -> int:
    """Where a value ends that no quotes mark: with the word, or where the next name begins."""
    before = word[name_at - 1 : name_at]
    if not before and word.startswith("-"):
        return len(word)
    if before and before in "?&":
        return _end_of(_QUERY_END, word, start)
    following = _NEXT_NAME.search(word, start)
    end = following.start() if following else len(word)
    if before and before in "\"'" and (quote := word.find(before, start, end)) >= 0:
        return quote
    return end if before != ";" else start + len(word[start:end].rstrip(";"))


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at

"""
Find secrets by their place among the arguments of a command, and in the commands of a script.

Flow: beside drain, for redact. An argument with spaces in it is read as a shell would read it, so that what is known
of arguments holds for `sh -c '…'` and `ssh host '…'` as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from agent.secret_clients import (
    BEHIND_WORD,
    CLIENTS,
    HANDED_SECRETS,
    KNOWN,
    LAST_ARGUMENT,
    NAMES_OBJECTS,
    NAMING,
    PASSWORD_SWITCH,
    READS_PASSWORD,
    SEARCHES,
    SETTERS,
    USER_SLASH_PASSWORD,
    WRAPPERS,
    Option,
)
from agent.secret_names import Named, Span, may_name, named, span_of
from agent.secret_text import by_assignment

DEPTH_MAX: Final = 4
"""Scripts within scripts that are read: `ssh host "sh -c 'mysql -p…'"` is two."""

Found = tuple[int, Span]
"""Which word, and where in it."""

_PASSWORD: Final = Named("password")


class Word(NamedTuple):
    """A word of a script, without the quotes around it, and where in the script it begins."""

    text: str
    at: int


_TOKEN: Final = re.compile(
    r"""(?P<word>(?:"(?>[^"\\]*+(?:\\.[^"\\]*+)*)"?+|'[^']*+'?+|\\.|[^\s"'\\;|&()<>`]++|\\)+)|(?P<end>[;|&()`\n])""",
    re.DOTALL,
)


def commands(script: str) -> Iterator[list[Word]]:
    """The simple commands of a script, word by word."""
    command: list[Word] = []
    for token in _TOKEN.finditer(script):
        if token["word"]:
            command.append(_word(token["word"], token.start()))
        elif command:
            yield command
            command = []
    if command:
        yield command


def _word(raw: str, at: int) -> Word:
    if raw[0] not in "\"'":
        return Word(raw, at)
    return Word(raw[1:-1] if len(raw) > 1 and raw[-1] == raw[0] else raw[1:], at + 1)


# --- words ----------------------------------------------------------------------------------------------------------

_NAME: Final = re.compile(r"[\w-]++")
_SPACE: Final = re.compile(r"\s")
_BEGINS_WITH_NAME: Final = re.compile(r"(?:-H)?(?P<name>-{0,2}+[\w.-]++)(?P<sign>=|:[ \t])")
_WRITES: Final = frozenset({"echo", "printf"})
_TAKES_SCRIPT: Final = re.compile(r"-[A-Za-z]*c")


def by_word(words: Sequence[str], depth: int = 0) -> Iterator[Found]:
    """Secrets in the words of one command: by the options before them, by assignment, and in words that are scripts."""
    yield from by_place(words)
    for index, word in enumerate(words):
        if depth < DEPTH_MAX and _SPACE.search(word) and _is_script(word, words[index - 1] if index else ""):
            yield from ((index, span) for span in _in_script(word, depth))
        elif "=" in word and may_name(word):
            yield from ((index, span) for span in by_assignment(word))


def _is_script(word: str, previous: str) -> bool:
    """Whether a word with spaces is to be read as a shell does: not if it is the value of one name, spaces and all."""
    beginning = _BEGINS_WITH_NAME.match(word)
    if not beginning or not named(beginning["name"]):
        return True
    if beginning["sign"] != "=" or word.startswith("-"):
        return False
    return bool(_TAKES_SCRIPT.fullmatch(previous)) or " -" in word


def _in_script(script: str, depth: int) -> Iterator[Span]:
    if not may_name(script) and HANDED_SECRETS.isdisjoint(map(_program, _NAME.findall(script))):
        return
    before: list[Word] = []
    for command in commands(script):
        words = [word.text for word in command]
        found = [(command[index].at, span) for index, span in by_word(words, depth + 1)]
        if before and before[0].text in _WRITES and "|" in script[before[-1].at : command[0].at]:
            found += _piped(before[-1], words)
        for at, span in found:
            yield Span(span.start + at, span.end + at, span.kind)
        before = command


def _piped(last: Word, readers: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """The last word of an `echo` if the command behind the pipe reads a password: `echo SECRET | sudo -S id`."""
    if any(word in readers and other in readers for word, other in READS_PASSWORD.items()):
        of = Named("password", after=":") if "chpasswd" in readers else _PASSWORD
        if span := span_of(last.text, 0, len(last.text), of):
            yield last.at, span


# --- places ---------------------------------------------------------------------------------------------------------

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*+=")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w.-]*+")
_SWITCHES: Final = re.compile(r"-[A-Za-z]++")
_ORACLE: Final = re.compile(r"(?:userid=)?[\w$#]++/(?P<secret>[^@\s/]++)(?:@|$)")


def by_place(words: Sequence[str]) -> Iterator[Found]:
    """Secrets that stand where the program or the option before them wants one."""
    programs = [*_programs(words)]
    for (start, program), (end, _) in pairwise([*programs, (len(words), "")]):
        yield from _behind_options(words, program, range(start + 1, end))
        if program in KNOWN:
            yield from _behind_words(words, program, range(start, end))


def _programs(words: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where the program's name stands, and, if that one runs others, where theirs do."""
    first = next((index for index, word in enumerate(words) if not _ASSIGNMENT.match(word)), None)
    if first is None:
        return
    program = _program(words[first])
    yield first, program
    if program in WRAPPERS:
        for index in range(first + 1, len(words)):
            if (inner := _program(words[index])) in KNOWN and words[index - 1] not in NAMING:
                yield index, inner


def _program(word: str) -> str:
    """The name of a program without its path and version; `-bash` is a login shell."""
    name = word.rpartition("/")[2].lstrip("-")
    return name if name in KNOWN else name.rstrip("0123456789.")


def _behind_options(words: Sequence[str], program: str, where: range) -> Iterator[Found]:
    options = [one for one in CLIENTS.get(program, ()) if not one.needs or one.needs in words]
    for index in where:
        if not words[index].startswith("-"):
            continue
        for option in options:
            yield from _of_option(words, index, option)
        if of := _wanted_by(words[index], program):
            yield from _whole(words, index + 1, of)


def _of_option(words: Sequence[str], index: int, option: Option) -> Iterator[Found]:
    word, of = words[index], Named(option.kind, after=option.after)
    for flag in option.flags:
        start = _value_at(word, flag, option.switches)
        if start is None:
            continue
        if start == len(word) and option.apart:
            yield from _whole(words, index + 1, of)
        elif option.joined and (span := span_of(word, start, len(word), of)):
            yield index, span


def _value_at(word: str, flag: str, switches: str) -> int | None:
    """Where in a word the value of an option begins; the word's end if it is the next one; None: another option."""
    if word == flag:
        return len(word)
    if flag.startswith("--"):
        return len(flag) + 1 if word.startswith(f"{flag}=") else None
    if len(flag) > len("-p") or word.startswith("--"):
        return None
    letters = word[1:].lstrip(switches)
    return len(word) - len(letters) + 1 if letters.startswith(flag[1]) else None


def _wanted_by(word: str, program: str) -> Named | None:
    """What an option wants as the next argument, told by its name alone."""
    of = named(word)
    if of is None or of.flag or program in SEARCHES or not _OPTION.fullmatch(word):
        return None
    if (word == "--password" and program in PASSWORD_SWITCH) or (word == "--secret" and program in NAMES_OBJECTS):
        return None
    return of


def _whole(words: Sequence[str], index: int, of: Named) -> Iterator[Found]:
    """A word that is a value; one that looks like an option is none."""
    if index < len(words) and not words[index].startswith("-"):
        word = words[index]
        if span := span_of(word, 0, len(word), of):
            yield index, span


def _behind_words(words: Sequence[str], program: str, where: range) -> Iterator[Found]:
    telling = BEHIND_WORD.get(program, {})
    setter = SETTERS.get(program)
    for index in where:
        for offset in telling.get(_program(words[index]).lower(), ()) if telling else ():
            if not _ASSIGNMENT.match("".join(words[index + offset : index + offset + 1])):
                yield from _whole(words, index + offset, _PASSWORD)
        if setter and setter[0] in words:
            yield from _set(words, index, setter[1])
        if program in USER_SLASH_PASSWORD and (match := _ORACLE.match(words[index])):
            yield index, Span(*match.span("secret"), "password")
    switch = LAST_ARGUMENT.get(program)
    if switch and any(_SWITCHES.fullmatch(words[index]) and switch in words[index] for index in where):
        yield from _whole(words, where.stop - 1, _PASSWORD)


def _set(words: Sequence[str], index: int, option: str) -> Iterator[Found]:
    """The value of NAME=VALUE, behind the option that it belongs to if there is one."""
    word = words[index]
    start = len(option) + 1 if option and word.startswith(f"{option}=") else 0
    named_here = start or (words[index - 1] == option if option else _ASSIGNMENT.match(word))
    if named_here and (span := span_of(word, start, len(word), Named("secret", after="="))):
        yield index, span

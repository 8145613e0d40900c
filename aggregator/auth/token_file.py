"""
Read the file of static tokens, and notice when it changes.

Flow: operator -> **token_file** -> static_tokens. YAML:

    agents:
      - {name: edge-1, node: edge-1, token: 0f3c…}       # speaks for this node
      - {name: relay, node: "*", token: 77ab…}           # speaks for any
    readers:
      - {name: dashboard, sha256: 9b1d…}                 # the token's SHA-256 in place of the token, in hexadecimal
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from aggregator.auth.tokens import LONGEST, digest
from kinwatch.errors import InputError
from kinwatch.printable import printable

ANY_NODE: Final = "*"
SHORTEST: Final = 24
"""Characters of a token: 16 random bytes take at least 22."""
MOST_BYTES: Final = 256 << 10
"""Some 2,000 tokens, which take seconds to read; for more nodes than that there are certificates."""
_OTHERS: Final = stat.S_IRWXO
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,252}")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_FORM: Final = "see docs/authentication.md, «Static tokens», for its form"


class Role(StrEnum):
    """What a static token is for."""

    AGENT = "agent"
    READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a static token."""

    name: str
    role: Role
    node: str | None
    """The node an agent speaks for; None: any. None for a reader."""
    digest: bytes
    """SHA-256 of the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """By what a file is seen to have changed; a Secret's volume changes the file that its name leads to."""

    device: int
    inode: int
    size: int
    changed_ns: int


def version_of(file: Path) -> Version:
    """Of the file as it is now; raises InputError where it can't be looked at."""
    try:
        status = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{file} is no file", remedy=_FORM)
    return _version(status)


def read(file: Path) -> tuple[Version, tuple[Holder, ...]]:
    """Everybody in the file; raises InputError where it can't be used whole."""
    version_of(file)  # opening a pipe would wait for who writes it
    version, text = _text(file)
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is no YAML", remedy=_FORM) from error  # its words may hold a token
    holders = tuple(_holders(document, file))
    _check_distinct(holders, file)
    return version, holders


def _text(file: Path) -> tuple[Version, bytes]:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            text = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(file, error) from error
    if status.st_mode & _OTHERS:
        raise InputError(
            f"{file} holds tokens, and every user may read or write it: its mode is {stat.S_IMODE(status.st_mode):04o}",
            remedy=f"`chmod o= {file}`; for a Secret's volume, set defaultMode: 0440 and the pod's fsGroup",
        )
    if len(text) > MOST_BYTES:
        raise InputError(f"{file} has more than {MOST_BYTES} bytes", remedy=_FORM)
    return _version(status), text


def _version(status: os.stat_result) -> Version:
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    return Version(device=status.st_dev, inode=status.st_ino, size=status.st_size, changed_ns=changed_ns)


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(
        f"reading {file}: {error.strerror}", remedy="name a file that the aggregator may read by --tokens"
    )


def _holders(document: Any, file: Path) -> Iterator[Holder]:
    if not isinstance(document, Mapping) or not set(document) <= {"agents", "readers"}:
        raise InputError(f"{file} has other keys than `agents` and `readers`, or none", remedy=_FORM)
    for role, key in ((Role.AGENT, "agents"), (Role.READER, "readers")):
        entries = document.get(key) or []
        if not isinstance(entries, list):
            raise InputError(f"{file}: `{key}` is no list", remedy=_FORM)
        for number, entry in enumerate(entries, start=1):
            yield _holder(entry, role, where=f"{file}: number {number} of `{key}`")


def _holder(entry: Any, role: Role, *, where: str) -> Holder:
    known = {"name", "token", "sha256"} | ({"node"} if role is Role.AGENT else set())
    if not isinstance(entry, Mapping) or not set(entry) <= known:
        raise InputError(f"{where} has other keys than {', '.join(sorted(known))}", remedy=_FORM)
    return Holder(
        name=_named(entry.get("name"), "name", where),
        role=role,
        node=_node(entry.get("node"), where) if role is Role.AGENT else None,
        digest=_digest(entry, where),
    )


def _node(told: Any, where: str) -> str | None:
    return None if told == ANY_NODE else _named(told, "node", where)


def _named(told: Any, key: str, where: str) -> str:
    if not isinstance(told, str) or not _NAME.fullmatch(told):
        raise InputError(
            f"{where} has no `{key}` that is a name", remedy=f"put what looks like a number in quotes; {_FORM}"
        )
    return told


def _digest(entry: Mapping[str, Any], where: str) -> bytes:
    match entry.get("token"), entry.get("sha256"):
        case None, str(told) if _SHA256.fullmatch(told):
            return bytes.fromhex(told)
        case str(token), None if SHORTEST <= len(token) <= LONGEST and token.isascii() and _is_one_word(token):
            return digest(token)
    raise InputError(
        f"{where} has neither a `token` of {SHORTEST} characters or more without spaces, nor a `sha256` of 64 "
        "hexadecimal digits, or both",
        remedy="make one by `openssl rand -hex 32`, and keep it in quotes",
    )


def _is_one_word(token: str) -> bool:
    return token.isprintable() and " " not in token


def _check_distinct(holders: tuple[Holder, ...], file: Path) -> None:
    """One token for two would make it a guess who speaks."""
    by_digest: dict[bytes, Holder] = {}
    for holder in holders:
        other = by_digest.setdefault(holder.digest, holder)
        if other is not holder:
            raise InputError(
                f"{file}: {printable(other.name)} and {printable(holder.name)} have the same token",
                remedy="give each its own, by `openssl rand -hex 32`",
            )

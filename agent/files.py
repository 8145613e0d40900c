"""
Turn the record of a file or a working directory into features.

Flow: probe -> **drain** -> window; the part of drain that knows files.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from typing import Final

from agent.records import Flag, Record, text
from kinwatch.aspects import Aspect

_FAMILIES: Final[Mapping[int, str]] = {
    1: "unix",
    2: "ipv4",
    10: "ipv6",
    16: "netlink",
    17: "packet",
    38: "alg",
    40: "vsock",
    44: "xdp",
}
"""Address family (include/linux/socket.h) → sysdig's `fd.type` where it has one, else the family's own name."""

_FILESYSTEMS: Final[Mapping[int, str]] = {
    0x50495045: "pipe",  # PIPEFS_MAGIC
    0x50494446: "pidfd",  # PID_FS_MAGIC
    0x6E736673: "namespace",  # NSFS_MAGIC
    0x19800202: "mqueue",  # MQUEUE_MAGIC
}
"""Magic of the file systems (include/uapi/linux/magic.h) whose files have no path → kind of descriptor."""

_ANONYMOUS: Final[Mapping[str, str]] = {"eventfd": "event", "signalfd": "signal"}
"""Anonymous inodes which sysdig calls otherwise than the kernel; `[eventpoll]`, `inotify` … keep their name."""


def path_of(record: Record) -> str:
    """The path in a payload of components, leaf first, each with its final zero; a cut one begins with `…`."""
    components = [text(component) for component in record.payload.split(b"\0")[:-1]]
    start = "…/" if record.flags & Flag.CUT else "/"
    return start + "/".join(reversed(components))


def file_features(record: Record) -> Iterator[tuple[Aspect, str]]:
    """What the record of a file tells: its kind, its directory and its name."""
    if record.flags & Flag.PSEUDO:
        yield from _pseudo(record)
        return
    path = path_of(record)
    if stat.S_ISDIR(record.mode):
        yield Aspect.FILE_OPERATIONS, "directory"
        yield Aspect.DIRECTORIES, path
        return
    directory, _, name = path.rpartition("/")
    yield Aspect.FILE_OPERATIONS, "file"
    yield Aspect.DIRECTORIES, directory or "/"
    yield Aspect.FILENAMES, name


def _pseudo(record: Record) -> Iterator[tuple[Aspect, str]]:
    """A file that no path leads to: its kind, and for a memfd the name that its maker gave it."""
    name = text(record.payload.rstrip(b"\0"))
    if name.startswith("memfd:"):
        yield Aspect.FILENAMES, name
    yield Aspect.FILE_OPERATIONS, _pseudo_kind(record, name)


def _pseudo_kind(record: Record, name: str) -> str:
    if stat.S_ISSOCK(record.mode):
        return _FAMILIES.get(record.family, f"socket_{record.family}")
    if record.fs_magic in _FILESYSTEMS:
        return _FILESYSTEMS[record.fs_magic]
    plain = name.strip("[]").partition(":")[0]
    if plain.startswith("bpf"):
        return "bpf"
    return _ANONYMOUS.get(plain, plain or "anonymous")

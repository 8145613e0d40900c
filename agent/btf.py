"""
Read the kernel's description of its own types.

Flow: **btf** -> layouts -> probe. Takes the BTF that the running kernel shows, answers where a member of a struct lies.

The format is Documentation/bpf/btf.rst of the kernel: a header, a section of type records, a section of strings. The
record of a type says how long it is, so finding type N means walking over all before it: done once, and nothing but the
places of the records and the names of structs and enums is kept. Numbers are in the byte order of the kernel, which is
the byte order of this process.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

from kinwatch.errors import NodeError

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_MAGIC: Final = 0xEB9F
_HEADER: Final = struct.Struct("=HBBIIIII")
"""magic, version, flags, hdr_len, type_off, type_len, str_off, str_len."""
_LAYOUT_HEADER: Final = struct.Struct("=II")
"""layout_off, layout_len, which follow since 7.2: a section that says how long the records of each kind are."""
_LAYOUT: Final = struct.Struct("=BBH")
"""For kinds 0, 1, 2 …: bytes after the three words that all have, bytes for each of the vlen entries, flags."""

_POINTER_BYTES: Final = 8  # the nodes that the probe runs on are 64-bit
_BITS: Final = 8


class _Kind(IntEnum):
    """BTF_KIND_*, include/uapi/linux/btf.h."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


_FIXED_WORDS: Final = {_Kind.INT: 1, _Kind.ARRAY: 3, _Kind.VAR: 1, _Kind.DECL_TAG: 1}
_WORDS_EACH: Final = {
    _Kind.STRUCT: 3,
    _Kind.UNION: 3,
    _Kind.ENUM: 2,
    _Kind.FUNC_PROTO: 2,
    _Kind.DATASEC: 3,
    _Kind.ENUM64: 3,
}
_EXTENT: Final = {int(kind): (3 + _FIXED_WORDS.get(kind, 0), _WORDS_EACH.get(kind, 0)) for kind in _Kind}
"""kind -> (32-bit words of the record itself, words for each of its vlen entries)."""

_AGGREGATES: Final = frozenset({_Kind.STRUCT, _Kind.UNION})
_ENUMS: Final = frozenset({_Kind.ENUM, _Kind.ENUM64})
_NAMED: Final = frozenset(int(kind) for kind in _AGGREGATES | _ENUMS)
_SIZED: Final = _AGGREGATES | _ENUMS | {_Kind.INT, _Kind.FLOAT, _Kind.DATASEC}
_ALIASES: Final = frozenset({
    _Kind.TYPEDEF,
    _Kind.VOLATILE,
    _Kind.CONST,
    _Kind.RESTRICT,
    _Kind.TYPE_TAG,
    _Kind.VAR,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a member lies in its struct, and how large it is, both in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A member as the records have it: bits from the start of the outermost struct, and the id of its type."""

    bits: int
    type_id: int
    is_bitfield: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Btf:
    """The types of one kernel. Types are numbered from 1; 0 is void."""

    words: memoryview[int]
    """The type section, as 32-bit words."""
    strings: bytes
    """The string section: names end with a zero byte."""
    starts: array[int]
    """Type id -> the word where its record starts."""
    aggregates: dict[str, int]
    """Name of a struct or union -> its type id."""
    enums: dict[str, int]
    """Name of an enum -> its type id."""

    @classmethod
    def read(cls, path: Path = VMLINUX) -> Self:
        """Read the file; NodeError where there is none, or where it isn't whole BTF."""
        try:
            blob = path.read_bytes()
        except OSError as error:
            raise _missing(path, error) from error
        return cls.parse(blob, origin=str(path))

    @classmethod
    def parse(cls, blob: bytes, *, origin: str) -> Self:
        """Take BTF that was read from `origin`, a name for the error messages."""
        types, strings, layout = _sections(blob, origin)
        words = memoryview(types).cast("I")
        starts = _walk(words, _extents(layout), origin)
        aggregates, enums = _names(words, strings, starts)
        return cls(words=words, strings=strings, starts=starts, aggregates=aggregates, enums=enums)

    def size_of(self, name: str) -> int | None:
        """Size in bytes of a struct or union; None where this kernel has none of that name."""
        type_id = self.aggregates.get(name)
        return None if type_id is None else self._size(type_id)

    def member(self, name: str, path: str) -> Member | None:
        """
        Look up a member of struct `name`; None where it isn't, or is a bit-field, which has no address.

        `path` may lead through nested structs with dots ("d_name.hash_len"); as in C, members of anonymous structs and
        unions belong to the struct around them. An array counts with its whole length.
        """
        type_id = self.aggregates.get(name)
        bits = 0
        for step in path.split("."):
            place = None if type_id is None else self._find(type_id, step.encode() + b"\0")
            if place is None or place.is_bitfield:
                return None
            bits += place.bits
            type_id = place.type_id
        return None if type_id is None else Member(offset=bits // _BITS, size=self._size(type_id))

    def enumerator(self, enum: str, name: str) -> int | None:
        """Value of one name of an enum; None where the kernel was built without it."""
        return self.enumerators(enum).get(name)

    def enumerators(self, enum: str) -> dict[str, int]:
        """Names and values of an enum; none where the kernel was built without it."""
        type_id = self.enums.get(enum)
        if type_id is None:
            return {}
        start = self.starts[type_id]
        kind, vlen, flag = _info(self.words[start + 1])
        each = _WORDS_EACH[_Kind(kind)]
        return {
            self._text(self.words[at]): _integer(self.words[at + 1 : at + each], signed=flag)
            for at in range(start + 3, start + 3 + each * vlen, each)
        }

    def tracepoint_parameters(self, name: str) -> tuple[str, ...] | None:
        """
        Types of what a raw tracepoint hands over, in order; None where this kernel has none of that name.

        A type is its name ("u8"), with a star if it is a pointer ("io_kiocb *"). From the typedef btf_trace_<name>, the
        parameters of which have no names.
        """
        wanted = f"btf_trace_{name}".encode() + b"\0"
        for start in self.starts:
            if _info(self.words[start + 1])[0] == _Kind.TYPEDEF and self.strings.startswith(wanted, self.words[start]):
                pointer = self._resolve(self.words[start + 2])[0]
                return self._parameters(self.words[self.starts[pointer] + 2])[1:]  # the first is the probe's own data
        return None

    def _parameters(self, prototype: int) -> tuple[str, ...]:
        start = self.starts[prototype]
        vlen = _info(self.words[start + 1])[1]
        return tuple(self._type_name(self.words[at + 1]) for at in range(start + 3, start + 3 + 2 * vlen, 2))

    def _type_name(self, type_id: int) -> str:
        start = self.starts[type_id]
        if _info(self.words[start + 1])[0] == _Kind.PTR:
            pointee = self.words[start + 2]
            return (self._type_name(pointee) if pointee else "void") + " *"
        return self._text(self.words[start])

    def _text(self, offset: int) -> str:
        return self.strings[offset : self.strings.index(b"\0", offset)].decode("ascii")

    def _resolve(self, type_id: int) -> tuple[int, _Kind]:
        """Follow typedefs and qualifiers: the type's id and kind. Void, and what is newer than this program, is FWD."""
        while type_id:
            start = self.starts[type_id]
            kind = _info(self.words[start + 1])[0]
            if kind not in _ALIASES:
                return type_id, _Kind(kind) if kind in _EXTENT else _Kind.FWD
            type_id = self.words[start + 2]
        return 0, _Kind.FWD

    def _size(self, type_id: int) -> int:
        type_id, kind = self._resolve(type_id)
        start = self.starts[type_id]
        if kind in _SIZED:
            return self.words[start + 2]
        if kind is _Kind.ARRAY:
            return self._size(self.words[start + 3]) * self.words[start + 5]
        return _POINTER_BYTES if kind is _Kind.PTR else 0

    def _members(self, type_id: int) -> Iterator[tuple[int, _Place]]:
        """Members in order: where the name is in the strings, and the place."""
        start = self.starts[type_id]
        _, vlen, flag = _info(self.words[start + 1])
        for at in range(start + 3, start + 3 + 3 * vlen, 3):
            name, member_type, offset = self.words[at : at + 3]
            # With kind_flag set the upper eight bits are the width of a bit-field, in bits.
            width, bits = (offset >> 24, offset & 0xFFFFFF) if flag else (0, offset)
            yield name, _Place(bits=bits, type_id=member_type, is_bitfield=width > 0)

    def _find(self, type_id: int, wanted: bytes) -> _Place | None:
        """Find the member whose zero-terminated name is given, in the struct itself and the anonymous ones within."""
        type_id, kind = self._resolve(type_id)
        if kind not in _AGGREGATES:
            return None
        for name, place in self._members(type_id):
            if self.strings.startswith(wanted, name):
                return place
            inner = None if name else self._find(place.type_id, wanted)
            if inner is not None:
                return _Place(bits=place.bits + inner.bits, type_id=inner.type_id, is_bitfield=inner.is_bitfield)
        return None


def _info(info: int) -> tuple[int, int, bool]:
    """Take a record's second word apart: kind, number of entries, kind_flag. Bits unused in the past were zero."""
    return info >> 24 & 0x7F, info & 0xFFFFFF, info >> 31 == 1


def _integer(words: memoryview[int], *, signed: bool) -> int:
    """One number from its 32-bit words, the lower one first as struct btf_enum64 has it."""
    value = sum(word << 32 * index for index, word in enumerate(words))
    width = 32 * len(words)
    return value - (1 << width) if signed and value >> (width - 1) else value


def _sections(blob: bytes, origin: str) -> tuple[bytes, bytes, bytes]:
    """Types, strings and layout, by the header; their offsets count from its end, wherever this kernel puts that."""
    if len(blob) < _HEADER.size:
        raise _unusable(origin, f"{len(blob)} bytes are less than a header")
    magic, _, _, header_length, type_off, type_len, str_off, str_len = _HEADER.unpack_from(blob)
    if magic != _MAGIC:
        raise _unusable(origin, f"it starts with {magic:#06x} instead of {_MAGIC:#06x}")
    has_layout = len(blob) >= header_length >= _HEADER.size + _LAYOUT_HEADER.size
    layout_off, layout_len = _LAYOUT_HEADER.unpack_from(blob, _HEADER.size) if has_layout else (0, 0)
    body = blob[header_length:]
    if len(body) < max(type_off + type_len, str_off + str_len, layout_off + layout_len) or type_len % 4:
        raise _unusable(origin, "it is truncated")
    places = ((type_off, type_len), (str_off, str_len), (layout_off, layout_len))
    types, strings, layout = (body[start : start + length] for start, length in places)
    return types, strings, layout


def _extents(layout: bytes) -> dict[int, tuple[int, int]]:
    """Extents of the kinds known here, and of newer ones as far as the kernel tells them, so as to step over those."""
    whole = layout[: len(layout) - len(layout) % _LAYOUT.size]
    told = {kind: (3 + fixed // 4, each // 4) for kind, (fixed, each, _) in enumerate(_LAYOUT.iter_unpack(whole))}
    return told | _EXTENT


def _walk(words: memoryview[int], extents: dict[int, tuple[int, int]], origin: str) -> array[int]:
    """Where each type's record starts. A hundred thousand types and more: the one loop here that has to be fast."""
    starts = array("I", [0])
    append, end, at = starts.append, len(words), 0
    try:
        while at < end:
            info = words[at + 1]
            fixed, each = extents[info >> 24 & 0x7F]
            append(at)
            at += fixed + each * (info & 0xFFFFFF)
    except KeyError as error:
        raise _unusable(origin, f"type {len(starts)} is of kind {error}, which is newer than this program") from error
    except IndexError as error:
        raise _unusable(origin, "it is truncated") from error
    if at != end:
        raise _unusable(origin, "it is truncated")
    return starts


def _names(words: memoryview[int], strings: bytes, starts: array[int]) -> tuple[dict[str, int], dict[str, int]]:
    """
    Index structs with unions, and enums, by name.

    Two files of the kernel may each have a struct of one name. The one with the most members is kept: the others are
    private structs of some driver, or views cut short, while what a probe asks for is large.
    """
    aggregates: dict[str, int] = {}
    enums: dict[str, int] = {}
    for type_id in range(1, len(starts)):
        start = starts[type_id]
        kind, vlen, _ = _info(words[start + 1])
        if kind not in _NAMED or not words[start]:
            continue
        name = strings[words[start] : strings.index(b"\0", words[start])].decode()
        index = enums if kind in _ENUMS else aggregates
        known = index.get(name)
        if known is None or _info(words[starts[known] + 1])[1] < vlen:
            index[name] = type_id
    return aggregates, enums


def _missing(path: Path, error: OSError) -> NodeError:
    return NodeError(
        f"reading {path}: {error.strerror}",
        remedy="run a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys of the node into the container",
    )


def _unusable(origin: str, reason: str) -> NodeError:
    return NodeError(
        f"reading {origin}: {reason}",
        remedy="check that it is the BTF of the running kernel; where the kernel is newer than this program, update it",
    )
